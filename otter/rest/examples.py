"""Bodies as a client would send them, for the schemas to show. (docs/api.md, "OpenAPI".)"""

from typing import Any

CONFIG: dict[str, Any] = {
    "name": "web",
    "cooldown": 60,
    "minEntities": 0,
    "maxEntities": 10,
    "metadata": {"owner": "team-shop"},
}

FROM_IMAGE: dict[str, Any] = {
    "type": "launch_server",
    "args": {
        "server": {
            "name": "web",
            "flavorRef": "2",
            "imageRef": "6f0d1b5e-8c1a-4b0e-9d53-0c6a4a4a7f2d",
            "key_name": "team-shop",
            "config_drive": True,
            "user_data": "I2Nsb3VkLWNvbmZpZwpwYWNrYWdlczogW25naW54XQo=",
            "metadata": {"role": "web", "build": "2041"},
            "personality": [{"path": "/etc/motd", "contents": "V2VsY29tZSB0byB0aGUgc2hvcC4K"}],
            "networks": [
                {"uuid": "00000000-0000-0000-0000-000000000000"},
                {"uuid": "11111111-1111-1111-1111-111111111111"},
            ],
        },
        "loadBalancers": [
            {"type": "CloudLoadBalancer", "loadBalancerId": 4711, "port": 8080},
            {"type": "RackConnectV3", "loadBalancerId": "b1f9c7de-0b7e-4d0f-8a43-9d2a5f1c7e90"},
        ],
        "draining_timeout": 60,
    },
}
FROM_VOLUME: dict[str, Any] = {
    "type": "launch_server",
    "args": {
        "server": {
            "name": "db",
            "flavorRef": "2",
            "imageRef": "",
            "block_device_mapping": [
                {
                    "device_name": "vda",
                    "volume_id": "4f5c1c36-2f3b-4f0b-a7a4-3e1c1d9d3f57",
                    "delete_on_termination": "0",
                }
            ],
        },
        "loadBalancers": [{"loadBalancerId": "4712", "port": 5432}],
    },
}
FROM_NEW_VOLUMES: dict[str, Any] = {
    "type": "launch_server",
    "args": {
        "server": {
            "name": "worker",
            "flavorRef": "2",
            "block_device_mapping_v2": [
                {
                    "boot_index": 0,
                    "source_type": "image",
                    "uuid": "6f0d1b5e-8c1a-4b0e-9d53-0c6a4a4a7f2d",
                    "destination_type": "volume",
                    "volume_size": 50,
                    "delete_on_termination": True,
                }
            ],
        }
    },
}
STACK: dict[str, Any] = {
    "type": "launch_stack",
    "args": {
        "stack": {
            "template": {
                "heat_template_version": "2013-05-23",
                "parameters": {"flavor": {"type": "string"}},
                "resources": {"web": {"type": "web.yaml", "properties": {"flavor": {"get_param": "flavor"}}}},
            },
            "files": {"web.yaml": "heat_template_version: 2013-05-23\n"},
            "parameters": {"flavor": "2"},
            "environment": {"parameter_defaults": {"region": "north"}},
            "disable_rollback": True,
            "timeout_mins": 30,
        }
    },
}
STACK_BY_URL: dict[str, Any] = {
    "type": "launch_stack",
    "args": {
        "stack": {
            "template_url": "https://templates.example/web.yaml",
            "environment": "parameters: {flavor: 2}",
        }
    },
}
LAUNCHES = [FROM_IMAGE, FROM_VOLUME, FROM_NEW_VOLUMES, STACK, STACK_BY_URL]

POLICIES: list[dict[str, Any]] = [
    {"name": "two more", "type": "webhook", "cooldown": 300, "change": 2},
    {"name": "a third less", "type": "webhook", "cooldown": 300, "changePercent": -33.3},
    {"name": "just five", "type": "webhook", "cooldown": 0, "desiredCapacity": 5},
    {
        "name": "opening day",
        "type": "schedule",
        "cooldown": 0,
        "desiredCapacity": 10,
        "args": {"at": "2050-05-20T06:30:00Z"},
    },
    {"name": "mornings", "type": "schedule", "cooldown": 0, "changePercent": 50, "args": {"cron": "30 6 * * mon-fri"}},
]

WEBHOOK: dict[str, Any] = {"name": "alarm", "metadata": {"sent by": "monitoring"}}
NEW_WEBHOOKS: list[dict[str, Any]] = [WEBHOOK, {"name": "by hand"}]

GROUPS: list[dict[str, Any]] = [
    {"groupConfiguration": CONFIG, "launchConfiguration": FROM_IMAGE, "scalingPolicies": POLICIES},
    {"groupConfiguration": {"name": "db", "cooldown": 0, "minEntities": 2}, "launchConfiguration": FROM_VOLUME},
    {"groupConfiguration": CONFIG, "launchConfiguration": STACK},
]
