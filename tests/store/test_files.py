"""What comes of copies of a store: a backup, what a migration keeps, and what is put back."""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from otter.domain.hold import Hold
from otter.store.sqlite.database import CannotOpen, GroupCommit, Inline, connect, lock
from otter.store.sqlite.files import back_up, restore, what_is_held
from otter.store.sqlite.holds import hold, release
from otter.store.sqlite.schema import MIGRATIONS, copy, migrate
from otter.store.sqlite.store import SQLiteStore
from tests.worlds import GROUP_ID, a_group

EVERYTHING = Hold(True)
BEFORE_HOLDS = MIGRATIONS[:5]


class Files(TestCase):
    def setUp(self):
        folder = TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path, self.copy = self.folder / "otter.sqlite", self.folder / "copy"

    def make(self, path, migrations=MIGRATIONS):
        """A store as the otter with these migrations makes it."""
        with closing(connect(str(path))) as connection:
            migrate(connection, path, migrations)

    def store(self, path):
        """As otter opens it."""
        database = GroupCommit(reactor, path)
        self.addCleanup(database.close)
        return SQLiteStore(database)

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())

    def refuses(self, words, function, *arguments):
        with self.assertRaisesRegex(CannotOpen, words):
            function(*arguments)


class CopyTests(Files):
    async def test_everything_is_held_in_a_copy_and_nothing_in_the_original(self):
        self.make(self.path)
        back_up(self.path, self.copy)
        self.assertEqual((what_is_held(self.path), what_is_held(self.copy)), (Hold(), EVERYTHING))
        self.assertEqual(await self.store(self.copy).held(), EVERYTHING)

    def test_tenants_that_are_held_by_themselves_are_so_in_the_copy_too(self):
        self.make(self.path)
        what_is_held(self.path, lambda execute: hold(execute, "111"))
        back_up(self.path, self.copy)
        self.assertEqual(what_is_held(self.copy), Hold(True, frozenset(["111"])))

    def test_a_copy_is_one_file_and_leaves_nothing_beside_it(self):
        self.make(self.path)
        back_up(self.path, self.copy)
        with closing(sqlite3.connect(self.copy)) as connection:
            self.assertEqual(connection.execute("PRAGMA journal_mode").fetchall(), [("delete",)])
        self.assertEqual([name for name in self.names() if "copy" in name], ["copy"])

    async def test_a_copy_of_a_store_without_holds_is_held_once_it_is_brought_up_to_date(self):
        self.make(self.path, BEFORE_HOLDS)
        back_up(self.path, self.copy)
        self.assertEqual(await self.store(self.copy).held(), EVERYTHING)
        self.assertEqual(await self.store(self.path).held(), Hold())

    async def test_so_is_what_a_migration_keeps_also_if_an_older_otter_worked_with_it_meanwhile(self):
        self.make(self.path, MIGRATIONS[:3])
        self.store(self.path)
        kept = self.folder / "otter.sqlite.before-version-4"
        self.make(kept, MIGRATIONS[:3])
        with closing(connect(str(kept))) as connection:
            connection.execute("UPDATE epochs SET epoch = epoch + 1")
        self.make(kept, BEFORE_HOLDS)
        self.assertEqual(await self.store(kept).held(), EVERYTHING)

    async def test_what_was_kept_of_a_copy_is_held_too(self):
        self.make(self.path, BEFORE_HOLDS)
        back_up(self.path, self.copy)
        self.store(self.copy)
        self.assertEqual(await self.store(self.folder / "copy.before-version-6").held(), EVERYTHING)

    def test_what_the_next_migration_will_keep_is_held_at_once(self):
        self.make(self.path)
        self.make(self.path, [*MIGRATIONS, "CREATE TABLE later (x);"])
        self.assertEqual(what_is_held(self.folder / f"otter.sqlite.before-version-{len(MIGRATIONS) + 1}"), EVERYTHING)

    async def test_released_is_released_also_after_the_next_migration(self):
        self.make(self.path, BEFORE_HOLDS)
        back_up(self.path, self.copy)
        await self.store(self.copy).release(None)
        self.make(self.copy, [*MIGRATIONS, "CREATE TABLE later (x);"])
        with closing(connect(str(self.copy))) as connection:
            self.assertEqual(connection.execute("SELECT * FROM holds").fetchall(), [])
            self.assertEqual(connection.execute("PRAGMA application_id").fetchall(), [(0,)])

    def test_a_copy_that_fails_at_last_leaves_nothing_behind(self):
        self.make(self.path)
        self.copy.mkdir()
        with closing(connect(str(self.path))) as connection, self.assertRaises(IsADirectoryError):
            copy(connection, self.copy)
        self.assertEqual(self.names(), ["copy", "otter.sqlite"])

    def test_names_that_mean_something_in_a_url_are_names(self):
        path = self.folder / "a%20b?c#d.sqlite"
        self.make(path)
        back_up(path, self.copy)
        self.assertEqual((what_is_held(path), what_is_held(self.copy)), (Hold(), EVERYTHING))

    def test_remains_of_another_store_are_not_taken_for_writes_to_the_copy(self):
        self.make(self.path)
        (self.folder / "copy-wal").touch()
        self.refuses("copy-wal exists already", back_up, self.path, self.copy)


class RestoreTests(Files):
    async def test_what_is_restored_has_what_was_copied_and_is_held_and_private(self):
        store = SQLiteStore(Inline(connect(str(self.path))))
        await store.create_group(a_group(3), (), 1000)
        back_up(self.path, self.copy)
        elsewhere = self.folder / "new" / "otter.sqlite"
        restore(self.copy, elsewhere)
        self.assertEqual(elsewhere.stat().st_mode & 0o777, 0o600)
        restored = self.store(elsewhere)
        self.assertEqual((await restored.get_group(GROUP_ID)).state.desired, 3)
        self.assertEqual(await restored.held(), EVERYTHING)

    def test_the_backup_is_what_it_was(self):
        self.make(self.path)
        back_up(self.path, self.copy)
        before = self.copy.read_bytes()
        restore(self.copy, self.folder / "again")
        self.assertEqual(self.copy.read_bytes(), before)

    async def test_a_backup_that_an_older_otter_made_is_held_too(self):
        self.make(self.path, BEFORE_HOLDS)
        restore(self.path, self.copy)
        self.assertEqual(await self.store(self.copy).held(), EVERYTHING)

    def test_nothing_is_overwritten_and_nothing_that_another_store_left_is_taken_for_its_own(self):
        self.make(self.path)
        for end in ("", "-wal", "-shm", "-journal"):
            target = self.folder / f"there{end}"
            target.write_text("precious")
            self.refuses(f"there{end} exists already", restore, self.path, self.folder / "there")
            self.assertEqual(target.read_text(), "precious")
            target.unlink()

    def test_a_link_to_nowhere_is_not_replaced(self):
        self.make(self.path)
        self.copy.symlink_to(self.folder / "nowhere")
        self.refuses("copy exists already", restore, self.path, self.copy)
        self.assertTrue(self.copy.is_symlink())

    def test_a_store_that_an_otter_has_open_is_not_replaced_even_if_its_file_was_removed(self):
        self.make(self.path)
        with closing(lock(self.copy)):
            self.refuses("copy is in use by another otter process", restore, self.path, self.copy)
        self.assertFalse(self.copy.exists())
        restore(self.path, self.copy)

    def test_what_is_no_store_is_refused_and_nothing_is_made(self):
        with closing(sqlite3.connect(self.folder / "other")) as other:
            other.executescript("CREATE TABLE groups (x); PRAGMA user_version = 6;")
        (self.folder / "empty").touch()
        (self.folder / "text").write_text("no database " * 1000)
        (self.folder / "folder").mkdir()
        before = self.names()
        for name in ("other", "empty", "text", "folder"):
            self.refuses(f"{name} could not be restored", restore, self.folder / name, self.path)
        self.refuses("there is no .*nothing", restore, self.folder / "nothing", self.path)
        self.assertEqual(self.names(), before)

    def test_a_backup_from_the_future_is_refused(self):
        self.make(self.path, [*MIGRATIONS, "CREATE TABLE later (x);"])
        self.refuses("newer otter", restore, self.path, self.copy)

    async def test_a_damaged_backup_is_refused(self):
        store = SQLiteStore(Inline(connect(str(self.path))))
        for number in range(50):
            await store.create_group(a_group(group_id=type(GROUP_ID)("111", f"g{number}")), (), 1000)
        back_up(self.path, self.copy)
        self.copy.write_bytes(self.copy.read_bytes()[:-20000] + b"\x7f" * 20000)
        self.refuses("copy (is damaged|could not be restored)", restore, self.copy, self.folder / "new")
        self.assertFalse((self.folder / "new").exists())


class HeldTests(Files):
    def test_whoever_asks_what_is_held_changes_nothing(self):
        self.make(self.path)
        before = self.path.read_bytes(), self.names()
        what_is_held(self.path)
        self.assertEqual((self.path.read_bytes(), self.names()), before)

    def test_to_hold_is_no_opening_of_its_own_and_is_no_reason_to_wait_for_an_otter_to_stop(self):
        store = self.store(self.path)
        self.assertEqual(what_is_held(self.path, lambda execute: hold(execute, None)), EVERYTHING)
        self.assertEqual(what_is_held(self.path, lambda execute: release(execute, None)), Hold())
        self.assertEqual(store.database.read("SELECT epoch FROM epochs"), [(store.epoch,)])

    def test_a_store_of_another_version_is_left_as_it_is(self):
        self.make(self.path, BEFORE_HOLDS)
        self.make(self.copy, [*MIGRATIONS, "CREATE TABLE later (x);"])
        for path, words in ((self.path, "OTTER_HOLD=1"), (self.copy, "newer otter")):
            before = path.read_bytes()
            for change in (None, lambda execute: hold(execute, None)):
                self.refuses(words, what_is_held, path, change)
            self.assertEqual(path.read_bytes(), before)
