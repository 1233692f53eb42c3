"""Users of a running test site: made, logged in and changed by other processes than those that serve them."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from yredis_project.servers import MANAGE

SCRIPT = """
import json, sys, time
from django.contrib.auth.models import Permission, User
from django.test import Client

def permit(name, *codenames):
    User.objects.get(username=name).user_permissions.set(Permission.objects.filter(codename__in=codenames))

def make(name, *codenames):
    User.objects.create_user(name)
    permit(name, *codenames)

def log_in(name):
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client.session.session_key

def log_out(key):
    client = Client()
    client.cookies["sessionid"] = key
    client.logout()

def deactivate(name):
    user = User.objects.get(username=name)
    user.is_active = False
    user.save()

def accounts():
    from django.conf import settings
    from yredis_project.accounts import accounts
    return dict(accounts(settings.DATA_DIR / "passwords.json"))

results = [globals()[do](*given) for do, *given in json.loads(sys.stdin.read())]
print(json.dumps({"results": results, "at": time.time()}))
"""


def people(env: Mapping[str, str], *deeds: list[str]) -> Any:
    """Do things to a site's users, such as ["make", "ada", "change_room"]; return {"results": [...], "at": when}."""
    command = [sys.executable, str(MANAGE), "shell", "--no-imports", "-c", SCRIPT]
    done = subprocess.run(command, env=env, input=json.dumps(deeds), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
