"""Which changes of a site are told to open connections, from wherever they are made, and at which cost."""

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from authbridge import soon
from rooms import api, orders, pool
from rooms.hub import Hub
from tests.integration.conftest import Configure
from tests.integration.peers import eventually
from tests.integration.sites import Site
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Whose rights are decided anew, in the order in which the site said so; None is everybody."""
    said: list[str | None] = []
    monkeypatch.setattr(soon, "recheck", said.append)
    return said


@pytest.fixture
def ada() -> Any:
    """A user."""
    return get_user_model().objects.create_user("ada")


class TestTold:
    def test_a_user_who_is_saved_or_deleted(self, ada: Any, told: list[str | None]) -> None:
        user_id = str(ada.pk)
        ada.save()
        ada.delete()
        assert told == [user_id, user_id]

    def test_not_a_user_who_is_new_or_logs_in(self, told: list[str | None]) -> None:
        Client().force_login(get_user_model().objects.create_user("bob"))
        assert told == []

    def test_groups_and_permissions_of_a_user(self, ada: Any, told: list[str | None]) -> None:
        ada.groups.add(Group.objects.create(name="writers"))
        ada.user_permissions.set([Permission.objects.get(codename="view_room")])
        assert set(told) == {str(ada.pk)}
        assert len(told) == 2

    @pytest.mark.parametrize("change", ["permissions", "members", "end", "permission's end"])
    def test_what_may_concern_many_is_for_everybody(self, ada: Any, told: list[str | None], change: str) -> None:
        group = Group.objects.create(name="writers")
        permission = Permission.objects.get(codename="view_room")
        {
            "permissions": lambda: group.permissions.add(permission),
            "members": lambda: group.user_set.add(ada),
            "end": group.delete,
            "permission's end": permission.delete,
        }[change]()
        assert told == [soon.EVERYBODY]
        call_command("migrate", verbosity=0)  # the permission is back

    def test_a_session_that_is_deleted_and_whose_it_was(self, ada: Any, told: list[str | None]) -> None:
        Client().force_login(ada)
        Session.objects.all().delete()
        assert told == [str(ada.pk)]

    def test_not_sessions_of_nobody_nor_those_that_were_over(self, ada: Any, told: list[str | None]) -> None:
        SessionStore().save()
        Client().force_login(ada)
        Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
        call_command("clearsessions")
        assert (Session.objects.count(), told) == (0, [])

    def test_only_once_it_is_committed(self, ada: Any, told: list[str | None]) -> None:
        with transaction.atomic():
            ada.save()
            assert told == []
        assert told == [str(ada.pk)]

    def test_nothing_that_was_taken_back(self, ada: Any, told: list[str | None]) -> None:
        with transaction.atomic():
            ada.save()
            transaction.set_rollback(True)
        assert told == []


def test_deletes_of_other_models_stay_fast(ada: Any) -> None:
    """A listener to every model's deletions would make Django fetch each row first."""
    LogEntry.objects.create(user=ada, object_repr="x", action_flag=1)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        LogEntry.objects.all().delete()
    assert "SELECT" not in {query["sql"].split()[0] for query in queries}


class TestSent:
    """What is said becomes orders that every server hears."""

    @pytest.fixture
    def heard(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
        """Whom the orders concern that a server hears."""
        users: list[str | None] = []
        decode = orders.Order.decode

        def noted(body: object) -> orders.Order:
            order = decode(body)
            users.append(order.user)
            return order

        monkeypatch.setattr(orders.Order, "decode", noted)
        return users

    async def test_many_changes_of_a_moment_are_one_order(self, heard: list[str | None]) -> None:
        for _ in range(1000):
            soon.recheck("7")
        await eventually(lambda: heard)
        await pool.run(soon.settle)
        assert heard == ["7"]

    async def test_those_of_many_users_are_one_for_everybody(self, heard: list[str | None]) -> None:
        for number in range(soon.MOST_USERS + 1):
            soon.recheck(str(number))
        await eventually(lambda: heard)
        await pool.run(soon.settle)
        assert heard == [None]

    async def test_no_change_waits_for_a_redis_that_is_away(
        self, own_valkey: Valkey, configure: Configure, caplog: pytest.LogCaptureFixture
    ) -> None:
        configure(own_valkey)
        own_valkey.freeze()
        began = time.monotonic()
        user = await pool.run(get_user_model().objects.create_user, "bob")
        await pool.run(user.save)
        assert time.monotonic() - began < 1
        own_valkey.kill()

    async def test_after_an_order_that_failed_the_next_is_sent(
        self, heard: list[str | None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        send = api.recheck

        async def fail(*args: Any, **kwargs: Any) -> None:
            monkeypatch.setattr(api, "recheck", send)
            raise RuntimeError("a bug")

        monkeypatch.setattr(api, "recheck", fail)
        soon.recheck("first")
        await eventually(lambda: "a bug" in caplog.text)
        soon.recheck("second")
        await eventually(lambda: "second" in heard)

    async def test_changes_through_a_proxy_of_the_user_model(
        self, hub: Hub, valkey: Valkey, tmp_path: Path, sqlite_template: Path
    ) -> None:
        site = Site(tmp_path, valkey, sqlite_template)
        code = """
from django.contrib.auth.models import User
class Member(User):
    class Meta:
        proxy = True
        app_label = "auth"
from authbridge import live
live.connect()
member = Member.objects.create_user("ada")
member.save()
print(member.pk)
"""
        ended = await pool.run(lambda: site.manage("shell", "--no-imports", "-c", code))
        assert ended.returncode == 0, ended.stderr
        await eventually(lambda: orders.latest("any", ended.stdout.strip()) > float("-inf"), 2)

    async def test_a_command_that_ends_at_once_has_told_it(
        self, hub: Hub, valkey: Valkey, tmp_path: Path, sqlite_template: Path
    ) -> None:
        site = Site(tmp_path, valkey, sqlite_template)
        code = "from django.contrib.auth.models import User; u = User.objects.create_user('ada'); u.save(); print(u.pk)"
        ended = await pool.run(lambda: site.manage("shell", "--no-imports", "-c", code))
        assert ended.returncode == 0, ended.stderr
        await eventually(lambda: orders.latest("any", ended.stdout.strip()) > float("-inf"), 2)


async def test_django_guardians_object_permissions_decide_and_their_changes_are_told(
    hub: Hub, valkey: Valkey, tmp_path: Path, sqlite_template: Path
) -> None:
    site = Site(tmp_path, valkey, sqlite_template, {"DJANGO_SETTINGS_MODULE": "tests.support.guardian_site"})
    migrated = await pool.run(lambda: site.manage("migrate", "--verbosity", "0"))
    assert migrated.returncode == 0, migrated.stderr
    code = "from tests.support.guardian_check import main; main()"
    ended = await pool.run(lambda: site.manage("shell", "--no-imports", "-c", code))
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["before"] == ["none", "none", "none"]
    assert told["granted"] == ["read", "write", "none"]
    assert told["removed"] == ["read", "none", "none"]
    await eventually(lambda: orders.latest("any", told["user"]) > float("-inf"), 2)
