-- A policy that accepts texts by itself says that the store's texts are its own. Who had one goes on with it.

UPDATE marketplace_credentials
SET export_settings = jsonb_set(
    export_settings, '{accept_suggestions}', to_jsonb('own texts, ' || (export_settings ->> 'accept_suggestions'))
)
WHERE export_settings ->> 'accept_suggestions' LIKE 'score_gain%';
