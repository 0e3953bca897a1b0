"""`agents`, `work-items`, `claims` and `tracks` against a real server."""

from tests.servers import Server


def test_a_fleet(server: Server) -> None:
    made = server.json("agents", "register", "a b", "--hostname", "box", "--pid", "7")
    assert (made["session_id"], made["pid"], made["status"]) == ("a b", 7, "idle")
    server.json("agents", "register", "c")
    assert server.run("work-items", "next", "--session", "c").stdout == "nothing to do\n"
    for key, rank in (("SD-1", "2"), ("SD-2", "1")):
        item = ("work-items", "create", key, "--title", f"Item {key}")
        server.json(*item, "--track", "A", "--rank", rank)
    first = server.json("work-items", "next", "--session", "a b")
    assert first["claim"]["work_item"] == "SD-2"
    dry = server.run("work-items", "claim", "SD-2", "--session", "c", "--dry-run").stdout
    assert dry.startswith("cannot be claimed\n  already_claimed: The agent a b holds")
    refused = server.run("work-items", "claim", "SD-2", "--session", "c")
    assert (refused.returncode, refused.stderr[:30]) == (1, "Error: The agent a b holds the w"[:30])
    second = server.run("work-items", "claim", "SD-1", "--session", "c")
    assert "track_busy: Another agent works on track A." in second.stdout
    forced = server.json("work-items", "claim", "SD-2", "--session", "c", "--force")
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
    assert "computed_status: released" in server.run("agents", "get", "a b").stdout
    gone = server.run("agents", "get", "nobody")
    assert (gone.returncode, gone.stderr) == (1, "Error: There is no such resource.\n")
