"""Mistakes that somebody could make in otter, written down: each a small edit, and what it would mean."""

from pathlib import Path

from attrs import frozen


@frozen
class Mistake:
    """:ivar old: text that is in the file exactly once. :ivar meaning: what would go wrong."""

    name: str
    file: str
    old: str
    new: str
    meaning: str

    def made_in(self, text: str) -> str:
        """:raises ValueError: ``old`` is not there exactly once."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.file} has its text {text.count(self.old)} times")
        return text.replace(self.old, self.new)


def original_of(root: Path, mistake: Mistake) -> str:
    return (root / mistake.file).read_text()


MISTAKES = (
    # What a pass writes down
    Mistake(
        "forgotten re-mark",
        "otter/convergence/record.py",
        "    look_at = now if group.state.look_at is None else group.state.look_at\n",
        "    look_at = group.state.look_at\n",
        "A process that dies while it acts leaves a group that wants no other look.",
    ),
    Mistake(
        "mark cleared too early",
        "otter/convergence/record.py",
        "converged_generation=generation if outcome.verdict in FINISHED else state.converged_generation,",
        "converged_generation=generation,",
        "A group counts as finished after any pass, whatever is left to do.",
    ),
    Mistake(
        "someone else's request marked as done",
        "otter/convergence/iterate.py",
        "state_after(current.state, group.state.generation, seen.outcome,",
        "state_after(current.state, current.state.generation, seen.outcome,",
        "What was asked for during a pass is forgotten.",
    ),
    Mistake(
        "pace of an older request",
        "otter/convergence/iterate.py",
        "            if state.generation == group.state.generation:\n                state = self._paced",
        "            if True:\n                state = self._paced",
        "A request made during a pass waits as if it had failed many times.",
    ),
    Mistake(
        "lost in-flight record",
        "otter/convergence/record.py",
        "        creates=group.roster.creates.update(creates),\n",
        "",
        "Creates are not written down before they are sent; after a lost answer they are made twice.",
    ),
    Mistake(
        "only the newest in-flight records",
        "otter/convergence/record.py",
        "creates=group.roster.creates.update(creates),",
        "creates=pmap(creates),",
        "Creates of an earlier pass, still in flight, are forgotten.",
    ),
    Mistake(
        "in-flight record dropped at any error",
        "otter/convergence/execute.py",
        "return isinstance(error, ApiError) and 400 <= error.status < 500 and error.status != 408",
        "return True",
        "A create whose answer was lost or a 5xx is believed to have come to nothing, and is repeated.",
    ),
    Mistake(
        "in-flight record kept after a no",
        "otter/convergence/record.py",
        "settled = outcome.withdrawn | (set(read.creates) - observed.pending)",
        "settled = set(read.creates) - observed.pending",
        "What Nova refused counts as a server until its time is over.",
    ),
    Mistake(
        "promised id not kept",
        "otter/convergence/record.py",
        "id: evolve(create, server_id=outcome.promised.get(id, create.server_id))",
        "id: create",
        "A server that Nova promised, and no list shows, is not asked for by its id.",
    ),
    Mistake(
        "known servers forgotten",
        "otter/convergence/record.py",
        "    return pmap({server.id: place_of(server, observed) for server in kept})\n",
        "    return pmap()\n",
        "What a list lacks is believed to be gone.",
    ),
    Mistake(
        "servers added meanwhile forgotten",
        "otter/convergence/record.py",
        "    added = {id: place for id, place in roster.known.items() if id not in read.known}\n",
        "    added: dict[str, Place] = {}\n",
        "Servers that another write added during the pass are forgotten.",
    ),
    Mistake(
        "leaving not final",
        "otter/convergence/record.py",
        "        leaving=going,\n",
        "",
        "Servers are taken off their load balancers without it being written down that they leave.",
    ),
    Mistake(
        "leaving begins anew with each pass",
        "otter/convergence/record.py",
        "pmap(dict.fromkeys({*work.leaving, *group.roster.leaving}, now) | begun)",
        "pmap(dict.fromkeys({*work.leaving, *group.roster.leaving}, now))",
        "The draining time of a server never ends while passes go on.",
    ),
    Mistake(
        "goes on in spite of a pause",
        "otter/convergence/iterate.py",
        "        if overtaken(current, group, work.leaving):\n",
        "        if False:\n",
        "A group that was paused, or a server that was let go, during the look is acted on all the same.",
    ),
    Mistake(
        "writes over a pause",
        "otter/convergence/iterate.py",
        "            if current.resting or not ours:",
        "            if not ours:",
        "What the owner of a paused group sees changes under the pause.",
    ),
    Mistake(
        "deletes the group before its servers are gone",
        "otter/convergence/iterate.py",
        "is_gone = group.state.status is Status.DELETING and seen.outcome.verdict is Verdict.DONE",
        "is_gone = group.state.status is Status.DELETING",
        "A deleted group leaves its servers behind.",
    ),
    Mistake(
        "deletion undone by a pass",
        "otter/convergence/record.py",
        "status=Status.DELETING if state.status is Status.DELETING else status,",
        "status=status,",
        "A group that is deleted while a pass runs comes back to life.",
    ),
    # What a pass sees
    Mistake(
        "ignored page",
        "otter/cloud/nova.py",
        "        some, params = understood",
        "        params = None\n        some, _ = understood",
        "Only the first page of a long list is read.",
    ),
    Mistake(
        "belief in a list that lags",
        "otter/convergence/gather.py",
        "missing = {*roster.known, *roster.released, *promised(roster)} -",
        "missing = {*roster.released} -",
        "Servers that a list lacks are believed to be gone, and replaced.",
    ),
    Mistake(
        "a list brings back the dead",
        "otter/convergence/gather.py",
        "present = {server.id: server for server in listed if server.id not in roster.gone}",
        "present = {server.id: server for server in listed}",
        "A list that is older than Nova's 404 brings a server back.",
    ),
    Mistake(
        "blindness taken for absence",
        "otter/convergence/gather.py",
        "    members += lost_sight_of({id: roster.known[id] for id in unseen if id in roster.known})\n",
        "",
        "A server that Nova fails to show is replaced.",
    ),
    Mistake(
        "ghosts not looked for",
        "otter/convergence/gather.py",
        "{id: roster.known[id] for id in roster.known if id in absent}, present.values()",
        "{}, present.values()",
        "Nodes of servers that vanished are never taken off.",
    ),
    Mistake(
        "a ghost takes its successor's nodes",
        "otter/convergence/gather.py",
        '"" if place.address in taken else place.address, targets=place.targets)',
        "place.address, targets=place.targets)",
        "Nodes of a server that has the address of one that vanished are taken off.",
    ),
    Mistake(
        "creates believed in for ever",
        "otter/convergence/gather.py",
        "        if now < create.resolve_by\n",
        "",
        "A create that came to nothing counts as a server for ever.",
    ),
    Mistake(
        "creates not believed in",
        "otter/convergence/gather.py",
        "        if now < create.resolve_by\n",
        "        if now < create.send_by\n",
        "A create is repeated while it may still turn up.",
    ),
    Mistake(
        "draining begins anew with each look",
        "otter/convergence/gather.py",
        "draining_since=min(roster.draining.get((id, node.id), now), now)",
        "draining_since=now",
        "Connections are waited for without an end.",
    ),
    # Whose the group is
    Mistake(
        "nobody asks for the fence",
        "otter/convergence/fence.py",
        "        return self.number is not None and self.now(self.group_id) == self.number\n",
        "        return self.number is not None\n",
        "A process that was frozen changes the cloud while another works on the group.",
    ),
    Mistake(
        "late writes are taken",
        "otter/convergence/fence.py",
        "            if self.number is None or group.roster.fence > self.number:\n",
        "            if self.number is None:\n",
        "What was on its way to the store for long changes what the successor has stored.",
    ),
    Mistake(
        "a group taken without a word",
        "otter/convergence/iterate.py",
        "        if group.roster.fence != fence.number:\n",
        "        if False:\n",
        "What the predecessor stores while the successor looks at the group is not seen.",
    ),
    # What is planned
    Mistake(
        "swapped victims",
        "otter/planning/servers.py",
        "key=lambda server: (-server.created, server.id)",
        "key=lambda server: (server.created, server.id)",
        "The newest servers leave, not the oldest.",
    ),
    Mistake(
        "working servers leave before building ones",
        "otter/planning/servers.py",
        "usable = of_state[ServerState.ACTIVE] + of_state[ServerState.OTHER] + building",
        "usable = building + of_state[ServerState.OTHER] + of_state[ServerState.ACTIVE]",
        "A group that shrinks loses servers that work, and keeps some that do not yet.",
    ),
    Mistake(
        "in-flight creates not counted",
        "otter/planning/servers.py",
        "missing = desired.capacity - len(fleet.staying) - len(observed.pending)",
        "missing = desired.capacity - len(fleet.staying)",
        "More servers are made than were asked for.",
    ),
    Mistake(
        "deleted while it has traffic",
        "otter/planning/servers.py",
        "        if overdue or not ties.hold(server):\n",
        "        if True:\n",
        "Servers are deleted before they are off their load balancers.",
    ),
    Mistake(
        "held back for ever",
        "otter/planning/servers.py",
        "        if overdue or not ties.hold(server):\n",
        "        if not ties.hold(server):\n",
        "A load balancer that cannot be changed keeps servers from being deleted for ever.",
    ),
    Mistake(
        "other people's nodes removed",
        "otter/planning/balancers.py",
        "        if node.host not in abandoned:\n",
        "        if node.host in hosts(traits, *fleet.staying):\n",
        "Nodes that are none of the group's are taken off a load balancer that it shares.",
    ),
    Mistake(
        "removals and additions swapped",
        "otter/planning/balancers.py",
        "    if work.removals:\n        first",
        "    if work.removals and not work.additions:\n        first",
        "A full load balancer can neither take new nodes nor lose old ones.",
    ),
    Mistake(
        "additions to a busy load balancer forgotten",
        "otter/planning/balancers.py",
        "            if work.removals or work.changes or work.additions:\n",
        "            if work.removals:\n",
        "What a load balancer refused while it was busy is never done.",
    ),
    Mistake(
        "edited node left as it is",
        "otter/planning/balancers.py",
        "        elif not node.as_wanted:\n",
        "        elif node.condition is not Condition.ENABLED:\n",
        "A node whose weight or type somebody changed stays so.",
    ),
    # The rules of policies
    Mistake(
        "wrong cooldown edge",
        "otter/domain/capacity.py",
        "max(0.0, now - since) < seconds",
        "max(0.0, now - since) <= seconds",
        "A cooldown lasts a moment longer than it was asked to.",
    ),
    Mistake(
        "cooldown of the group and of the policy mixed up",
        "otter/domain/capacity.py",
        "_cooling(state.policy_touched.get(policy.id), policy.cooldown, now)",
        "_cooling(state.policy_touched.get(policy.id), group.config.cooldown, now)",
        "A policy is executed again before its own cooldown is over.",
    ),
    Mistake(
        "percentages rounded towards zero",
        "otter/domain/capacity.py",
        "(ceil(share) if share > 0 else floor(share))",
        "int(share)",
        "A small percentage of a small group changes nothing.",
    ),
    Mistake(
        "bounds not kept",
        "otter/domain/capacity.py",
        "    target = clamp(group.config, wanted_by(policy, state.desired))\n",
        "    target = wanted_by(policy, state.desired)\n",
        "Groups grow above maxEntities, and shrink below minEntities.",
    ),
    Mistake(
        "repeats executed again",
        "otter/store/sqlite/store.py",
        "            for verdict, why in remembered:\n                return Outcome(Verdict(verdict), why)\n",
        "",
        "A request that is repeated with its key counts twice.",
    ),
    Mistake(
        "a refusal does not wake the group",
        "otter/domain/capacity.py",
        "    return group.asked(group_touched=touched, policy_touched=policies)\n",
        "    return group\n",
        "A group whose servers are gone is not looked at when a policy cannot be executed.",
    ),
    # The store, and what lives by it
    Mistake(
        "half of an event",
        "otter/store/sqlite/store.py",
        "            if execute(sql, row).rowcount == 0:\n",
        "            if execute(sql, row).rowcount < 0:\n",
        "An event of a schedule that somebody else has fired already is fired again.",
    ),
    Mistake(
        "another tenant's groups",
        "otter/store/sqlite/store.py",
        'GROUP = f"SELECT {COLUMNS} FROM groups WHERE tenant = ? AND id = ?"',
        'GROUP = f"SELECT {COLUMNS} FROM groups WHERE tenant >= ? AND id = ?"',
        "Whoever knows a group's id may read it.",
    ),
    Mistake(
        "answered in spite of a failure",
        "otter/store/sqlite/database.py",
        "        return [(waiting.done.errback, unavailable) for waiting in batch], str(failure)\n",
        "        return answers, str(failure)\n",
        "Requests are acknowledged although nothing of them was stored.",
    ),
    Mistake(
        "one refusal fails its neighbours",
        "otter/store/sqlite/database.py",
        "            except Exception as refusal:\n                answers.append((waiting.done.errback, refusal))\n",
        "",
        "A change that is refused by its own rules undoes all that are committed together with it.",
    ),
    Mistake(
        "roster not written",
        "otter/store/sqlite/store.py",
        "    if new.roster is not old.roster and new.roster != old.roster:\n",
        "    if new.roster is not old.roster and new.roster.active != old.roster.active:\n",
        "What is known of servers is written down only when other servers are in service.",
    ),
    Mistake(
        "look lost in the store",
        "otter/domain/group.py",
        "        if self.generation == self.converged_generation:\n            return self.look_at\n",
        "        if self.generation == self.converged_generation:\n            return None\n",
        "A pass's wish for another look is forgotten once the group was finished before.",
    ),
)
