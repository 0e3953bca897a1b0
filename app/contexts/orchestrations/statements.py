"""Hot statements, and those about the two tables that no scope reaches."""

# Users who create or decide are recorded by UUID, as in the seed.
IDENTITY = """
SELECT accounts.uuid AS company_id, users.uuid AS user_uuid
FROM accounts CROSS JOIN users WHERE accounts.id = $1 AND users.id = $2
"""
PERFORMANCE = """
SELECT count(*) AS total,
    count(*) FILTER (WHERE status = 'pending') AS pending,
    count(*) FILTER (WHERE status = 'in_progress') AS in_progress,
    count(*) FILTER (WHERE status = 'completed') AS completed,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
    count(*) FILTER (WHERE status = 'rolled_back') AS rolled_back,
    count(DISTINCT assigned_agent_id) AS agents,
    coalesce(sum(retry_count), 0) AS retries
FROM orchestration_actions WHERE account_id = $1 AND session_id = $2
"""
DECISIONS = """
SELECT count(*) FILTER (WHERE status = 'approved') AS approvals,
    count(*) FILTER (WHERE status = 'rejected') AS rejections
FROM orchestration_decisions WHERE account_id = $1 AND session_id = $2
"""
