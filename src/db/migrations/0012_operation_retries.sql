-- An operation is retried once: what fails again is retried from the operation that retried it.
UPDATE operation SET retry_of = NULL
WHERE EXISTS (
    SELECT 1 FROM operation AS newer
    WHERE newer.retry_of = operation.retry_of AND newer.id > operation.id
);
DROP INDEX operation_retry;
CREATE UNIQUE INDEX operation_retry ON operation (retry_of);
