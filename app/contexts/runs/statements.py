"""Hot: what a list of runs says about the evidence of each."""

COUNTS = """
SELECT r.orchestration_session_id AS run_id,
    (SELECT count(*) FROM orchestration_session_entry c WHERE c.account_id = $1
        AND c.session_id = r.orchestration_session_id) AS entry_count,
    (SELECT count(*) FROM orchestration_session_exec c WHERE c.account_id = $1
        AND c.session_id = r.orchestration_session_id) AS exec_count,
    (SELECT count(*) FROM orchestration_session_exec c WHERE c.account_id = $1
        AND c.session_id = r.orchestration_session_id AND c.exec_status <> 0
    ) AS failed_exec_count,
    (SELECT count(*) FROM orchestration_session_issue c WHERE c.account_id = $1
        AND c.session_id = r.orchestration_session_id) AS issue_count,
    (SELECT c.to_state FROM orchestration_session_state c WHERE c.account_id = $1
        AND c.session_id = r.orchestration_session_id AND c.session_entry_id IS NULL
        ORDER BY c.position DESC LIMIT 1) AS last_state
FROM orchestration_session r
WHERE r.account_id = $1 AND r.orchestration_session_id = ANY($2::text[])
"""
