-- A copy for tests must not talk to the plant, and must not be able to.
UPDATE mrp_machine_connection SET active = false;
DELETE FROM mrp_machine_connection_secret;
UPDATE mrp_machine_source_key SET revoked = now() AT TIME ZONE 'UTC' WHERE revoked IS NULL;
DELETE FROM mrp_machine_source_secret;
UPDATE mrp_machine_endpoint SET holder = NULL, lease_until = NULL;
UPDATE mrp_machine_connection SET arming_id = NULL;
UPDATE mrp_machine_source SET arming_id = NULL;
