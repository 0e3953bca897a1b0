"""The hot statement that counts the evidence of each run of a list."""

COUNTS = """
SELECT r.run_id,
    (SELECT count(*) FROM orchestration_session_entry c WHERE c.account_id = $1
        AND c.session_id = r.run_id) AS entry_count,
    (SELECT count(*) FROM orchestration_session_exec c WHERE c.account_id = $1
        AND c.session_id = r.run_id) AS exec_count,
    (SELECT count(*) FROM orchestration_session_exec c WHERE c.account_id = $1
        AND c.session_id = r.run_id AND c.exec_status <> 0
    ) AS failed_exec_count,
    (SELECT count(*) FROM orchestration_session_issue c WHERE c.account_id = $1
        AND c.session_id = r.run_id) AS issue_count,
    (SELECT c.to_state FROM orchestration_session_state c WHERE c.account_id = $1
        AND c.session_id = r.run_id AND c.session_entry_id IS NULL
        ORDER BY c.position DESC LIMIT 1) AS last_state
FROM unnest($2::text[]) AS r (run_id)
"""
