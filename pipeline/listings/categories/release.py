"""Makes `shopify.tsv` of another release of Shopify's product taxonomy, from two files of its repository that the caller names:

    python -m pipeline.listings.categories.release dist/en/categories.txt \\
        data/integrations/google/2021-09-21/mappings/from_shopify.yml > pipeline/listings/categories/shopify.tsv

Check that the license in `shopify.LICENSE` is still the repository's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.model.errors import BadInputError, PipelineError

_LINE = re.compile(r"gid://shopify/TaxonomyCategory/([a-z]{2}(?:-\d+)*)\s*: (.+)")
_VERSION = re.compile(r"# Shopify Product Taxonomy - Categories: (\S+)")
_HEADER = (
    "# Shopify's product taxonomy {version} (github.com/Shopify/product-taxonomy), under the license in shopify.LICENSE.\n"
    "# A category's id, its own name, and Google's product category (taxonomy of {google}). "
    "The parent's id is the id without its last part.\n"
    "id\tname\tgoogle\n"
)


def release(categories: str, mapping: str) -> Iterator[str]:
    """The lines of `shopify.tsv` from the text of both files. Raises BadInputError for files that are something else."""
    import yaml

    version = _VERSION.match(categories)
    if version is None:
        raise BadInputError("the first file is not dist/en/categories.txt of Shopify's product taxonomy: it says no version")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = yaml.load(mapping, Loader=loader)  # noqa: S506 - a safe loader
        google = found["output_taxonomy"].removeprefix("google/")
        numbers = {
            one["input"]["product_category_id"]: str((one["output"]["product_category_id"] or [""])[0]) for one in found["rules"]
        }
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, IndexError):
        raise BadInputError("the second file is not mappings/from_shopify.yml of Shopify's product taxonomy") from None
    yield _HEADER.format(version=version[1].removesuffix("-unstable"), google=google)
    for number, line in enumerate(categories.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or "\t" in line:
            raise BadInputError(f"line {number} of the first file is no category: {line[:80]!r}")
        yield f"{match[1]}\t{match[2].rpartition(' > ')[2]}\t{numbers.get(match[1], '')}\n"


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        lines = list(release(*(Path(name).read_text("utf-8") for name in arguments)))
    except (OSError, UnicodeDecodeError, PipelineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    sys.stdout.writelines(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
