"""Rule sets: the YAML files that declare fixes and rules, for the catalog and for each marketplace.

The file
--------
    name: amazon                     # of the rule set
    version: "3"                     # optional; without it a hash of the file
    inherit: [option1_name]          # optional: columns of products that variant rules read too
    fixes:                           # applied first, in this order
      - {fix: T18, level: variant, fields: [title], params: {max: 200, unit: characters, keep: [brand, option1]}}
    rules:
      - code: AMZ_TITLE_LENGTH       # unique, A-Z 0-9 _; keeps its meaning for ever
        level: variant               # product: computed once a product, counts in the score of each of its rows
        field: title                 # what the issue points at, and what the check reads
        dimension: compliance        # completeness | correctness | compliance | identifiers | content | media
        severity: error              # critical | error | warning | info
        weight: 4                    # whole number > 0, within the dimension
        check: max_length
        params: {max: 200}
        when: {role: [single, child], not_flag: gtin_exempt}     # optional, all must hold
        severity_when: {gtin_exempt: warning}                    # optional, by flag
        message: Title is longer than {max} characters.          # {name} = a parameter
        hint: Shorten the title.

`when` looks at context only: `flag` / `not_flag` (names in `Context.flags`), `language` ([en, de]: primary subtag), or a
context column and its allowed values: role, status, gift_card, requires_shipping, category, category_source, condition.

Checks (`quality/masks`; P = presence or quality: a missing value fails, N = prohibition: a missing value passes, G = graded)
---------------------------------------------------------------------------------------------------------------------
Values      present(any_of=[fields]) P; share_present(fields) G; attributes_present(keys) G (JSON column); absent N;
            positive N; between(min, max) N (either may be left out); not_below(other) N; ratio_at_most(other, max) N;
            one_of(values) N; matches(pattern) N whole value; not_matches(pattern, ignore_case) N anywhere;
            differs_from(other) N; filled_with(other) present where `other` is; not_flagged N the boolean column is not true;
            unique_in_product(fields) the combination differs from that of the product's other rows
Text        max_length(max, unit=characters|bytes) N; length_target(min, max) P G; words_target(min) P G; not_all_caps N;
            no_repeats(times=2) N; no_phrases(words=promo|placeholder|filler) N by language; no_emoji N; no_html N; no_contact N;
            no_mojibake N; no_control N; not_placeholder N; html_tags(allowed) N; structured P; short_sentences(words) N
Lists       count_target(target) P G; count_at_most(max) N; item_max_length(max, unit) N; no_duplicate_items N
Images      https_urls N; image_types(types) N
Identifiers sku_legal(max) N; gtin_valid N; gtin_unrestricted N; gtin_exact N (not rounded by a spreadsheet);
            gtin_unique N (Context.duplicate_gtins); not_scientific N
Checks of text read a list column (bullets) item by item: every item must pass.

Fixes (`quality/fixes`; ids of the reference page docs/rules.md; L lossless, S lossy-safe)
------------------------------------------------------------------------------------------
T01 control characters S; T02 invisible characters S; T03 mojibake L; T04 NFC L; T05 entities L;
T06 sanitize HTML S (params: text_to=description also derives plain text); T07 straight quotes S; T08 spaces L; T09 emoji S;
T10 repeated punctuation S; T11 forbidden characters S (characters, unless_in=[fields]); T12 promo phrases S (keep=[fields]);
T13 contact data S; T14 all capitals S; T15 all lower case S; T16 repeated words S (times=2); T17 doubled brand S (brand);
T18 over-long S (max, unit, keep=[fields], ellipsis=false); T19 bullets S; I01 missing SKU L; I02 illegal or shared SKU S;
I03 GTIN clean L; I04 GTIN pad S; I09 placeholder S; P01 price text L; P05 sale price S; M01 https S (hosts); M02 image URLs S;
M03 repeated images L; Q01 negative stock S; A04 lists L
Fixes of text change a list column item by item; T09 to T13 and T18, T19 are for channels, they may take what a shop wants to keep.
"""
