-- A piece of a text that was asked for in pieces. It costs no credits; the text has a row of its own once it is whole.

ALTER TABLE language_results ADD COLUMN piece boolean NOT NULL DEFAULT false;
