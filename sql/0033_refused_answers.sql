-- A first answer that guards refused is kept until the second one is there: a run that ends in between does not pay for it again.
ALTER TABLE language_results DROP CONSTRAINT language_results_status_check;
ALTER TABLE language_results ADD CONSTRAINT language_results_status_check
    CHECK (status IN ('accepted', 'refused', 'rejected', 'quarantined'));
