"""`agents`, `work-items`, `claims`, `conflicts` and `tracks` against a real server."""

from tests.servers import Server


def test_agents_claim_and_complete_work_items(server: Server) -> None:
    made = server.json("agents", "register", "a b", "--hostname", "box", "--pid", "7")
    assert (made["session_id"], made["pid"], made["status"]) == ("a b", 7, "idle")
    server.json("agents", "register", "c")
    assert server.run("work-items", "next", "--agent", "c").stdout == "nothing to do\n"
    for key, rank in (("SD-1", "2"), ("SD-2", "1")):
        item = ("work-items", "create", key, "--title", f"Item {key}")
        server.json(*item, "--track", "A", "--rank", rank)
    first = server.json("work-items", "next", "--agent", "a b")
    assert first["claim"]["work_item"] == "SD-2"
    dry = server.run("work-items", "claim", "SD-2", "--agent", "c", "--dry-run").stdout
    assert dry.startswith("cannot be claimed\n  already_claimed: The agent a b holds")
    refused = server.run("work-items", "claim", "SD-2", "--agent", "c")
    assert (refused.returncode, refused.stderr[:30]) == (1, "agent-sessions: The agent a b ")
    second = server.run("work-items", "claim", "SD-1", "--agent", "c")
    assert "track_busy: Another agent works on track A." in second.stdout
    forced = server.json("work-items", "claim", "SD-2", "--agent", "c", "--force")
    assert forced["claim"]["fencing_token"] == 2
    assert server.json("claims", "show", str(forced["claim"]["id"])) == forced["claim"]
    assert "takeover" in server.run("claims", "list", "--work-item", "SD-2").stdout
    [live] = server.json("claims", "list", "--live")["data"]
    assert live["session_id"] == "c"
    [holder] = server.json("agents", "list", "--holding")["data"]
    assert (holder["session_id"], holder["work_item_title"]) == ("c", "Item SD-2")
    assert "active" in server.run("agents", "list", "--status", "active").stdout
    assert server.json("agents", "list", "--stuck")["data"] == []
    assert "occupied" in server.run("tracks").stdout
    assert server.json("tracks")["data"][0]["next_item"] == "SD-1"
    assert "track_busy" in server.run("work-items", "list").stdout
    [claimed] = server.json("work-items", "list", "--availability", "claimed")["data"]
    assert claimed["key"] == "SD-2"
    assert server.json("agents", "heartbeat", "c")["status"] == "active"
    assert server.json("agents", "release", "c", "--reason", "conflict")["status"] == "idle"
    assert server.json("work-items", "complete", "SD-2")["status"] == "done"
    assert "status: done" in server.run("work-items", "show", "SD-2").stdout
    assert server.json("agents", "end", "a b")["status"] == "released"
    assert "computed_status: released" in server.run("agents", "show", "a b").stdout
    gone = server.run("agents", "show", "nobody")
    assert (gone.returncode, gone.stderr) == (1, "agent-sessions: There is no such resource.\n")


def test_work_items_are_changed(server: Server) -> None:
    server.json("work-items", "create", "W 1", "--title", "First", "--description", "Long")
    changed = server.json("work-items", "update", "W 1", "--rank", "-3", "--not-ready")
    assert (changed["sequence_rank"], changed["is_ready"], changed["title"]) == (-3, False, "First")
    server.json("agents", "register", "w")
    changed = server.json("work-items", "update", "W 1", "--ready", "--description", "")
    assert (changed["is_ready"], changed["description"]) == (True, "")
    assert "W 1  token 1" in server.run("work-items", "claim", "W 1", "--agent", "w").stdout
    held = server.run("work-items", "delete", "W 1")
    assert (held.returncode, "holds" in held.stderr) == (1, True), held.stderr
    cancelled = server.run("work-items", "update", "W 1", "--status", "cancelled")
    assert "status: cancelled" in cancelled.stdout
    for kind, key in (("work-items", "W 1"), ("agents", "w")):
        assert server.json(kind, "move", key)["project_id"] is None
        refused = server.run(kind, "move", key, "9000000")
        assert (refused.returncode, "project_id" in refused.stderr) == (1, True), refused.stderr
    assert server.run("work-items", "delete", "W 1").stdout == "W 1 is deleted\n"
    assert server.run("work-items", "delete", "W 1", "--json").returncode == 1


def test_conflicts_are_reported_and_resolved(server: Server) -> None:
    for key in ("C-1", "C-2"):
        server.json("work-items", "create", key, "--title", key)
    report = ("conflicts", "report", "C-2", "C-1", "--type", "file_overlap")
    areas = ("--area", "a.py", "--area", "b.py")
    reported = server.json(*report, "--severity", "blocking", *areas)
    assert (reported["work_item_a"], reported["affected_areas"]) == ("C-1", ["a.py", "b.py"])
    number = str(reported["id"])
    shown = server.run("conflicts", "list", "--open", "--work-item", "C-2").stdout
    assert "a.py, b.py" in shown
    assert server.json("conflicts", "list", "--resolved")["data"] == []
    resolved = server.json("conflicts", "resolve", number, "--notes", "took turns")
    assert resolved["resolution_notes"] == "took turns"
    assert "took turns" in server.run("conflicts", "show", number).stdout
    assert server.json("conflicts", "list", "--severity", "blocking")["data"] == [resolved]
    again = server.run(*report, "--severity", "info")
    assert "severity: info" in again.stdout
    assert server.run("conflicts", "show", "9000000").returncode == 1
    assert server.run(*report, "--severity", "dreadful").returncode == 2


def test_stale_limit_is_shown_and_changed(server: Server) -> None:
    assert server.json("agents", "settings") == {"stale_after_seconds": 300}
    assert server.run("agents", "settings", "--stale-after", "60").stdout == (
        "stale_after_seconds: 60\n"
    )
    assert server.json("agents", "settings", "--stale-after", "300")["stale_after_seconds"] == 300
    assert server.run("agents", "settings", "--stale-after", "0").returncode == 2
