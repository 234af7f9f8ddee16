-- One row per drafted item, with what people decided about its current text (state is null while pending).
CREATE OR REPLACE VIEW item AS
SELECT
    draft.key AS item_id,
    draft.payload ->> '$.subject_id' AS subject_id,
    draft.payload ->> '$.subject_name' AS subject_name,
    draft.payload ->> '$.edit_type' AS edit_type,
    draft.payload ->> '$.category' AS category,
    verdict.payload ->> '$.state' AS state
FROM current_event AS draft
LEFT JOIN current_event AS verdict ON verdict.kind = 'verdict' AND verdict.key = draft.key
WHERE draft.kind = 'item';
