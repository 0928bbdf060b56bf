"""A seeded catalog as lines of a bulk products query, in the shapes of the Admin GraphQL API 2026-10."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import orjson

Line = dict[str, Any]

_WORDS = [
    "canvas",
    "linen",
    "walnut",
    "brass",
    "ceramic",
    "garden",
    "travel",
    "kitchen",
    "winter",
    "stripe",
    "classic",
    "modern",
    "heavy",
    "light",
    "duty",
]
_SIZES, _COLORS = ("XS", "S", "M", "L", "XL"), ("Black", "White", "Navy", "Olive", "Größe Übergang", "Rosé ✨")


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def products(variants: int, seed: int = 1) -> Iterator[list[Line]]:
    """The lines of one product after the other: product, variants each with a metafield now and then, media, metafields."""
    random_ = random.Random(seed)
    number, left = 7_000_000_000_000, variants
    while left > 0:
        number += random_.randint(1, 9)
        size = min(left, random_.choice((1, 1, 2, 4, 6, 8, 12, 20)))
        left -= size
        yield _product(number, size, random_)


def _product(number: int, size: int, random_: random.Random) -> list[Line]:
    title = " ".join(random_.sample(_WORDS, 4)).title()
    single = size == 1
    parent = gid("Product", number)
    product: Line = {
        "__typename": "Product",
        "id": parent,
        "legacyResourceId": str(number),
        "title": title,
        "handle": f"{title.lower().replace(' ', '-')}-{number}",
        "descriptionHtml": f"<p>{' '.join(random_.choices(_WORDS, k=60))}</p>",
        "vendor": random_.choice(("Acme", "Østfold", "Nadir & Co")),
        "productType": random_.choice(("Shirt", "Lamp", "Bag")),
        "status": random_.choice(("ACTIVE", "ACTIVE", "DRAFT", "ARCHIVED")),
        "tags": sorted(random_.sample(_WORDS, 3)),
        "isGiftCard": False,
        "createdAt": "2026-01-02T03:04:05Z",
        "updatedAt": "2026-10-02T03:04:05Z",
        "variantsCount": {"count": size, "precision": "EXACT"},
        "seo": {"title": None, "description": title},
        "category": {"id": gid("TaxonomyCategory", 1), "fullName": "Apparel & Accessories > Clothing"},
        "options": [
            {"id": gid("ProductOption", number), "name": "Title" if single else "Color", "position": 1},
            *([] if single else [{"id": gid("ProductOption", number + 1), "name": "Size", "position": 2}]),
        ],
    }
    lines = [product]
    for index in range(size):
        lines.extend(_variant(number * 100 + index, index, parent, single, random_))
    lines.extend(
        {
            "__typename": "MediaImage",
            "id": gid("MediaImage", number * 10 + index),
            "mediaContentType": "IMAGE",
            "image": {"url": f"https://cdn.example.com/files/{number}-{index}.jpg?v=1", "width": 1200, "height": 1200},
            "__parentId": parent,
        }
        for index in range(random_.randint(0, 2 * size))
    )
    lines.extend(
        {
            "__typename": "Metafield",
            "id": gid("Metafield", number * 10 + index),
            "namespace": "custom",
            "key": key,
            "type": "single_line_text_field",
            "value": random_.choice(_WORDS),
            "__parentId": parent,
        }
        for index, key in enumerate(("material", "care"))
    )
    return lines


def _variant(number: int, index: int, parent: str, single: bool, random_: random.Random) -> list[Line]:
    color, size = _COLORS[index // len(_SIZES) % len(_COLORS)], _SIZES[index % len(_SIZES)]
    selected = [("Title", "Default Title")] if single else [("Color", color), ("Size", size)]
    price = random_.randint(100, 99_999)
    variant: Line = {
        "__typename": "ProductVariant",
        "id": gid("ProductVariant", number),
        "legacyResourceId": str(number),
        "title": " / ".join(value for _, value in selected),
        "sku": f"SKU-{number}" if random_.random() < 0.9 else "",
        "barcode": str(random_.randint(10**12, 10**13 - 1)),
        "position": index + 1,
        "price": f"{price // 100}.{price % 100:02d}",
        "compareAtPrice": f"{price // 50}.00" if random_.random() < 0.3 else None,
        "taxable": True,
        "inventoryPolicy": random_.choice(("DENY", "DENY", "CONTINUE")),
        "inventoryQuantity": random_.randint(-2, 200),
        "selectedOptions": [{"name": name, "value": value} for name, value in selected],
        "inventoryItem": {
            "id": gid("InventoryItem", number),
            "tracked": True,
            "requiresShipping": True,
            "unitCost": {"amount": f"{price // 200}.5", "currencyCode": "USD"},
            "measurement": {"weight": {"unit": "KILOGRAMS", "value": random_.randint(1, 40) / 8}},
        },
        "__parentId": parent,
    }
    lines = [variant]
    if random_.random() < 0.5:
        metafield = {"id": gid("Metafield", number), "namespace": "custom", "key": "mpn", "value": f"M{number % 997}"}
        lines.append({"__typename": "Metafield", **metafield, "__parentId": variant["id"]})
    return lines


def grouped(variants: int, seed: int = 1) -> bytes:
    return b"".join(orjson.dumps(line) + b"\n" for product in products(variants, seed) for line in product)


def ungrouped(variants: int, seed: int = 1) -> bytes:
    """The same lines by level: all products, then their children, then the children of these; order kept in each."""
    levels: tuple[list[bytes], list[bytes], list[bytes]] = ([], [], [])
    for product in products(variants, seed):
        for line in product:
            level = 0 if "__parentId" not in line else 1 + ("ProductVariant" in line["__parentId"])
            levels[level].append(orjson.dumps(line))
    return b"\n".join(line for level in levels for line in level) + b"\n"
