"""A seeded generator of catalogs: the JSONL of a Shopify bulk operation over products, of any size, streamed to a file.

The same arguments give the same bytes. About four variants a product, four lines and 1.9 kB a variant. `mutate` changes
the price, the stock or the product title of that share of the variants and nothing else, so that two files of one seed are
a catalog and its next version. `faults` is the share of products and variants that carry one data fault.
What is done with a catalog belongs to `stages`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
SEED = 20261101

#: Line kinds in the order in which an ungrouped file holds them: parents before children.
KINDS = ("product", "variant", "variant_metafield", "media", "product_metafield")

_VENDORS = ("Nordlicht", "Harbor & Pine", "Atelier Lune", "Field Notes Co", "Kiln Street", "Marlow", "Sundry Goods", "Tideway")
_STYLES = ("Classic", "Washed", "Relaxed", "Everyday", "Hand-Glazed", "Recycled", "Lightweight", "Insulated", "Striped", "Soft")
_MATERIALS = ("cotton", "linen", "stoneware", "oak", "steel", "wool", "canvas", "recycled polyester", "glass", "leather")
_NOUNS = (
    ("T-Shirt", "Shirts", "Apparel & Accessories > Clothing > Clothing Tops > T-Shirts"),
    ("Hoodie", "Hoodies", "Apparel & Accessories > Clothing > Clothing Tops > Hoodies"),
    ("Tote Bag", "Bags", "Apparel & Accessories > Handbags, Wallets & Cases > Handbags > Tote Handbags"),
    ("Mug", "Drinkware", "Home & Garden > Kitchen & Dining > Tableware > Drinkware > Mugs"),
    ("Notebook", "Stationery", "Office Supplies > General Office Supplies > Paper Products > Notebooks & Notepads"),
    ("Cushion Cover", "Home", "Home & Garden > Decor > Chair & Sofa Cushions"),
    ("Phone Case", "Accessories", None),
)
_SENTENCES = (
    "Made in small batches by people who use what they make.",
    "The fabric is pre-washed, so that it keeps its shape.",
    "Rinse by hand or put it in the dishwasher, it does not mind.",
    "A reinforced seam carries the weight where others tear.",
    "Warm in the morning, light at noon, packed away at night.",
    "Every piece differs a little from the next one.",
    "Comes in a box of recycled paper without any plastic.",
    "The color stays after many washes at 30 °C.",
)
_COLORS = ("Black", "White", "Navy", "Sage", "Rust", "Sand", "Plum", "Sky")
_SIZES = ("XS", "S", "M", "L", "XL", "XXL")
_STAMP, _STAMP_CHANGED = "2026-10-01T08:00:00Z", "2026-11-01T08:00:00Z"


def write_catalog(
    path: Path, variants: int, *, seed: int = SEED, mutate: float = 0.0, faults: float = 0.05, grouped: bool = True
) -> int:
    """Write a catalog of exactly `variants` variants; returns the number of lines.

    Ungrouped files hold all products, then all variants, and so on, as Shopify's bulk operations do by default.
    """
    products = catalog_products(variants, seed=seed, mutate=mutate, faults=faults)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = 0
    with path.open("wb") as target, ExitStack() as stack:
        sinks: dict[str, Any] = dict.fromkeys(KINDS, target)
        if not grouped:
            sinks = {kind: stack.enter_context(tempfile.TemporaryFile(dir=path.parent)) for kind in KINDS}
        for product in products:
            lines += len(product)
            for kind, node in product:
                sinks[kind].write(orjson.dumps(node, option=orjson.OPT_APPEND_NEWLINE))
        if not grouped:
            for kind in KINDS:
                sinks[kind].seek(0)
                shutil.copyfileobj(sinks[kind], target, 1 << 20)
    return lines


def changed_variants(variants: int, share: float, seed: int = SEED) -> frozenset[int]:
    """Indexes of the variants that `mutate=share` changes: exactly that share, rounded."""
    return frozenset(random.Random(f"{seed}:mutation").sample(range(variants), round(variants * share)))  # noqa: S311


def catalog_products(
    variants: int, *, seed: int, mutate: float = 0.0, faults: float = 0.05
) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """The lines of one product after the other, as (kind, node)."""
    rng = random.Random(seed)  # noqa: S311
    changed = changed_variants(variants, mutate, seed)
    done = number = 0
    while done < variants:
        count = min(rng.choice((1, 2, 3, 4, 4, 4, 5, 6, 7)), variants - done)
        yield _product(rng, number, done, count, changed, faults)
        done += count
        number += 1


def _product(
    rng: random.Random, number: int, first: int, count: int, changed: frozenset[int], faults: float
) -> list[tuple[str, dict[str, Any]]]:
    gid = f"gid://shopify/Product/{7_000_000_000_000 + number}"
    noun, kind, category = rng.choice(_NOUNS)
    vendor, material = rng.choice(_VENDORS), rng.choice(_MATERIALS)
    title = f"{rng.choice(_STYLES)} {material.title()} {noun} No. {number}"
    sentences = rng.sample(_SENTENCES, 4)
    body = f"<p>{' '.join(sentences[:2])}</p><ul><li>{material}</li><li>{sentences[2]}</li></ul>"
    if rng.random() < faults:
        title, body = _product_fault(rng, title, body)
    if any(index in changed and index % 3 == 2 for index in range(first, first + count)):
        title += " (new)"
    touched = any(index in changed for index in range(first, first + count))
    color, single = rng.choice(_COLORS), count == 1
    variants = [_variant(rng, gid, number, first + place, place, single, color, changed, faults) for place in range(count)]
    media = [_image(gid, number, place) for place in range(2)]
    values = [edge["selectedOptions"][0]["value"] for edge in variants]
    node = {
        "__typename": "Product",
        "id": gid,
        "legacyResourceId": gid.rpartition("/")[2],
        "title": title,
        "handle": f"{noun.lower().replace(' ', '-')}-{number}",
        "descriptionHtml": body,
        "vendor": vendor,
        "productType": kind,
        "status": rng.choice(("ACTIVE",) * 18 + ("DRAFT", "ARCHIVED")),
        "tags": sorted({kind, vendor, material, rng.choice(("new", "gift", "bestseller", "winter"))}),
        "isGiftCard": False,
        "createdAt": _STAMP,
        "updatedAt": _STAMP_CHANGED if touched else _STAMP,
        "publishedAt": _STAMP,
        "onlineStoreUrl": None,
        "totalInventory": sum(edge["inventoryQuantity"] for edge in variants),
        "tracksInventory": True,
        "hasOnlyDefaultVariant": single,
        "variantsCount": {"count": count, "precision": "EXACT"},
        "seo": {"title": None, "description": None},
        "category": category and {"id": "gid://shopify/TaxonomyCategory/aa-1", "fullName": category, "isLeaf": True},
        "options": [
            {
                "id": f"gid://shopify/ProductOption/{9_000_000_000_000 + number}",
                "name": "Title" if single else "Size",
                "position": 1,
                "linkedMetafield": None,
                "optionValues": [{"name": value, "hasVariants": True, "linkedMetafieldValue": None} for value in values],
            }
        ],
    }
    facts = {
        "material": material,
        "country_of_origin": "PT",
        "care": sentences[3][:24],
        "season": "all",
        "batch": f"P{number % 89}",
    }
    lines: list[tuple[str, dict[str, Any]]] = [("product", node)]
    for place, variant in enumerate(variants):
        lines.append(("variant", variant))
        lines.append(("variant_metafield", _metafield(variant["id"], first + place, "batch", f"B{number % 97}")))
    lines += [("media", image) for image in media]
    numbers = range(5_000_000_000 + number * len(facts), 5_000_000_000 + (number + 1) * len(facts))
    lines += [("product_metafield", _metafield(gid, *fact)) for fact in zip(numbers, facts, facts.values(), strict=True)]
    return lines


def _product_fault(rng: random.Random, title: str, body: str) -> tuple[str, str]:
    match rng.randrange(6):
        case 0:
            return title.upper(), body
        case 1:
            return f"🔥 {title} – FREE SHIPPING!!!", body
        case 2:
            return f"{title} fÃ¼r Zuhause", body
        case 3:
            return title, f'<div style="color:red" onclick="x()"><span>{body}</span><script>var a = 1;</script></div>'
        case 4:
            return f"{title} " + "with many further words that nobody reads " * 5, body
        case _:
            return title, ""


def _variant(
    rng: random.Random,
    parent: str,
    number: int,
    index: int,
    place: int,
    single: bool,
    color: str,
    changed: frozenset[int],
    faults: float,
) -> dict[str, Any]:
    size = "Default Title" if single else _SIZES[place] if place < len(_SIZES) else f"{place}XL"
    cents = rng.randrange(500, 20_000, 5)
    sale = cents + 1000 if rng.random() < 0.2 else None
    quantity = rng.randrange(0, 120)
    sku: str | None = f"{color[:2].upper()}-{number}-{place + 1}"
    barcode: str | None = gtin13(index)
    if rng.random() < faults:
        match rng.randrange(6):
            case 0:
                sku = None
            case 1:
                sku = "SAMPLE"
            case 2:
                barcode = gtin13(index)[:-1] + str((int(gtin13(index)[-1]) + 1) % 10)
            case 3:
                cents = 0
            case 4:
                quantity = -3
            case _:
                barcode = None
    if index in changed:
        cents += 100 if index % 3 == 0 else 0
        quantity += 7 if index % 3 == 1 else 0
    return {
        "__typename": "ProductVariant",
        "id": f"gid://shopify/ProductVariant/{42_000_000_000_000 + index}",
        "legacyResourceId": str(42_000_000_000_000 + index),
        "title": size,
        "displayName": f"{number} - {size}",
        "sku": sku,
        "barcode": barcode,
        "position": place + 1,
        "price": f"{cents // 100}.{cents % 100:02d}",
        "compareAtPrice": sale and f"{sale // 100}.{sale % 100:02d}",
        "taxable": True,
        "availableForSale": quantity > 0,
        "inventoryPolicy": "DENY",
        "inventoryQuantity": quantity,
        "createdAt": _STAMP,
        "updatedAt": _STAMP_CHANGED if index in changed else _STAMP,
        "selectedOptions": [{"name": "Title" if single else "Size", "value": size}],
        "unitPriceMeasurement": None,
        "inventoryItem": {
            "id": f"gid://shopify/InventoryItem/{44_000_000_000_000 + index}",
            "tracked": True,
            "requiresShipping": True,
            "countryCodeOfOrigin": "PT",
            "harmonizedSystemCode": None,
            "unitCost": {"amount": f"{cents // 250}.{cents % 100:02d}", "currencyCode": "USD"},
            "measurement": {"weight": {"unit": "GRAMS", "value": float(150 + cents % 700)}},
        },
        "__parentId": parent,
    }


def _image(parent: str, number: int, place: int) -> dict[str, Any]:
    image = {"url": f"https://cdn.example.com/{number}/{place + 1}.jpg", "width": 1600, "height": 1600}
    return {
        "__typename": "MediaImage",
        "id": f"gid://shopify/MediaImage/{30_000_000_000_000 + number * 10 + place}",
        "alt": None,
        "mediaContentType": "IMAGE",
        "status": "READY",
        "preview": {"image": image},
        "mimeType": "image/jpeg",
        "image": image,
        "__parentId": parent,
    }


def _metafield(parent: str, number: int, key: str, value: str) -> dict[str, Any]:
    return {
        "__typename": "Metafield",
        "id": f"gid://shopify/Metafield/{50_000_000_000_000 + number}",
        "namespace": "custom",
        "key": key,
        "type": "single_line_text_field",
        "value": value,
        "updatedAt": _STAMP,
        "__parentId": parent,
    }


def gtin13(number: int) -> str:
    """A valid GTIN-13 below 952, the prefix that GS1 keeps for examples."""
    body = f"952{number:09d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return body + str(-total % 10)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline_tests.benchmarks.generate", description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--variants", type=int, default=SIZES["10k"])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--mutate", type=float, default=0.0, help="share of variants to change, e.g. 0.01")
    parser.add_argument("--faults", type=float, default=0.05, help="share of products and variants with a data fault")
    parser.add_argument("--ungrouped", action="store_true", help="children not below their parents, as Shopify's default")
    args = parser.parse_args()
    lines = write_catalog(
        args.path, args.variants, seed=args.seed, mutate=args.mutate, faults=args.faults, grouped=not args.ungrouped
    )
    print(f"{args.path}: {args.variants} variants, {lines} lines, {args.path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
