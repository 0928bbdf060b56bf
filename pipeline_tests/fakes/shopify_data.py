"""The objects of a fake shop, as the Admin API words them, and how they change. Talking to it is `shopify.py`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

Object = dict[str, Any]
START = datetime(2026, 11, 1, tzinfo=timezone.utc)


def gid(kind: str, number: int | str) -> str:
    return f"gid://shopify/{kind}/{number}"


class ShopData:
    """Products, collections, locations and events. Every change takes a second of the shop's own time."""

    def __init__(self, *, currency: str = "USD") -> None:
        self.currency = currency
        self.now = START
        self.products: dict[str, Object] = {}
        self.collections: dict[str, Object] = {}
        self.locations: list[Object] = []
        self.events: list[Object] = []
        self.theme_texts: list[Object] = []  # translatable resources
        self._numbers = count(1001)
        self.add_location("Main")

    def tick(self, seconds: float = 1.0) -> str:
        self.now += timedelta(seconds=seconds)
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def number(self) -> int:
        return next(self._numbers)

    def add_location(self, name: str, *, active: bool = True, service: bool = False, online: bool = True) -> Object:
        location = {
            "__typename": "Location", "id": gid("Location", self.number()), "name": name, "isActive": active,
            "isFulfillmentService": service, "fulfillsOnlineOrders": online,
        }  # fmt: skip
        self.locations.append(location)
        return location

    def add_theme(self, texts: Mapping[str, str | None], *, locale: str = "en") -> Object:
        """Texts of a theme, each with the digest of its value."""
        content = [
            {"key": key, "value": text, "digest": text and sha256(text.encode()).hexdigest(), "locale": locale,
             "type": "SINGLE_LINE_TEXT_FIELD"}
            for key, text in texts.items()
        ]  # fmt: skip
        resource = {"resourceId": gid("OnlineStoreThemeLocaleContent", self.number()), "translatableContent": content}
        self.theme_texts.append(resource)
        return resource

    def add_product(
        self,
        handle: str,
        *,
        variants: Sequence[Mapping[str, Any]] = ({},),
        options: Sequence[str] = (),
        images: Sequence[str] = (),
        metafields: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Object:
        """A product; `variants` are fields of each variant, `options` (values in the order of the names) among them."""
        number, at = self.number(), self.tick()
        names = list(options) or ["Title"]
        product: Object = {
            "__typename": "Product", "id": gid("Product", number), "legacyResourceId": str(number), "title": handle.title(),
            "handle": handle, "descriptionHtml": f"<p>{handle}</p>", "vendor": "Vendor", "productType": "", "status": "ACTIVE",
            "tags": [], "isGiftCard": False, "createdAt": at, "updatedAt": at, "publishedAt": at, "onlineStoreUrl": None,
            "hasOnlyDefaultVariant": not options, "seo": {"title": None, "description": None}, "category": None,
            "options": [
                {"id": gid("ProductOption", self.number()), "name": name, "position": place, "linkedMetafield": None,
                 "optionValues": []}
                for place, name in enumerate(names, 1)
            ],
            "variants": [], "media": [], "metafields": [], **fields,
        }  # fmt: skip
        for url in images:
            product["media"].append(
                {
                    "__typename": "MediaImage",
                    "id": gid("MediaImage", self.number()),
                    "alt": None,
                    "mediaContentType": "IMAGE",
                    "status": "READY",
                    "mimeType": "image/jpeg",
                    "preview": {"image": {"url": url, "width": 100, "height": 100}},
                    "image": {"url": url, "width": 100, "height": 100},
                }
            )
        product["metafields"] = self._metafields(metafields or {}, at)
        self.products[product["id"]] = product
        for fields_ in variants:
            self.add_variant(product, names, **fields_)
        return product

    def add_variant(
        self,
        product: Object,
        names: Sequence[str] | None = None,
        *,
        options: Sequence[str] = ("Default Title",),
        stock: Mapping[str, int] | int | None = 5,
        tracked: bool = True,
        metafields: Mapping[str, str] | None = None,
        grams: float | None = None,
        cost: str | None = None,
        requires_shipping: bool = True,
        **fields: Any,
    ) -> Object:
        number, item, at = self.number(), self.number(), self.tick()
        names = names or [option["name"] for option in product["options"]]
        variant: Object = {
            "__typename": "ProductVariant", "id": gid("ProductVariant", number), "legacyResourceId": str(number),
            "title": " / ".join(options), "displayName": f"{product['title']} - {' / '.join(options)}", "sku": None,
            "barcode": None, "position": len(product["variants"]) + 1, "price": "10.00", "compareAtPrice": None, "taxable": True,
            "availableForSale": True, "inventoryPolicy": "DENY", "createdAt": at, "updatedAt": at, "unitPriceMeasurement": None,
            "selectedOptions": [{"name": n, "value": v} for n, v in zip(names, options, strict=False)],
            "metafields": self._metafields(metafields or {}, at), "product": product,
            "inventoryItem": {
                "__typename": "InventoryItem", "id": gid("InventoryItem", item), "tracked": tracked,
                "requiresShipping": requires_shipping, "countryCodeOfOrigin": None, "harmonizedSystemCode": None,
                "unitCost": None if cost is None else {"amount": cost, "currencyCode": self.currency},
                "measurement": {"weight": None if grams is None else {"unit": "GRAMS", "value": float(grams)}},
                "inventoryLevels": [],
            },
            **fields,
        }  # fmt: skip
        product["variants"].append(variant)
        by_name = {self.locations[0]["name"]: stock} if isinstance(stock, int) else dict(stock or {})
        for place, quantity in by_name.items():
            self.set_stock(variant, place, quantity)
        self.touch(product)
        return variant

    def set_stock(self, variant: Object, place: str, quantity: int, *, active: bool = True) -> None:
        """Like a sale: the product's own updatedAt does not move."""
        item = variant["inventoryItem"]
        location = next(found for found in self.locations if found["name"] == place)
        levels = item["inventoryLevels"]
        level = next((found for found in levels if found["location"] is location), None)
        if level is None:
            numbers = [found["id"].rpartition("/")[2] for found in (location, item)]
            identity = gid("InventoryLevel", f"{numbers[0]}?inventory_item_id={numbers[1]}")
            level = {"__typename": "InventoryLevel", "id": identity, "location": location}
            levels.append(level)
        level |= {"isActive": active, "updatedAt": self.tick(), "quantities": [
            {"name": "available", "quantity": quantity}, {"name": "on_hand", "quantity": quantity}]}  # fmt: skip
        variant["inventoryQuantity"] = sum(found["quantities"][0]["quantity"] for found in levels)

    def update_product(self, identity: str, **fields: Any) -> None:
        self.products[identity].update(fields)
        self.touch(self.products[identity])

    def remove_variant(self, product: Object, index: int) -> None:
        del product["variants"][index]
        self.touch(product)

    def touch(self, product: Object) -> None:
        """Changed now; products are kept in the order of their last change, as a listing by UPDATED_AT gives them."""
        product["updatedAt"] = self.tick()
        product["variantsCount"] = {"count": len(product["variants"]), "precision": "EXACT"}
        if product["id"] in self.products:
            self.products[product["id"]] = self.products.pop(product["id"])

    def delete_product(self, identity: str, *, event: bool = True) -> None:
        del self.products[identity]
        for collection in self.collections.values():
            collection["products"] = [p for p in collection["products"] if p["id"] != identity]
        at = self.tick()
        if event:
            self.events.append(
                {"__typename": "BasicEvent", "id": gid("BasicEvent", self.number()), "action": "destroy", "createdAt": at,
                 "subjectId": identity, "subjectType": "PRODUCT"}
            )  # fmt: skip

    def add_collection(self, handle: str, products: Iterable[str] = ()) -> Object:
        number = self.number()
        collection = {
            "__typename": "Collection", "id": gid("Collection", number), "legacyResourceId": str(number),
            "title": handle.title(), "handle": handle, "descriptionHtml": "", "updatedAt": self.tick(), "sortOrder": "MANUAL",
            "products": [self.products[identity] for identity in products],
        }  # fmt: skip
        self.collections[collection["id"]] = collection
        return collection

    def variants(self) -> list[Object]:
        return [variant for product in self.products.values() for variant in product["variants"]]

    def find(self, identity: str) -> Object | None:
        """Any object by its id."""
        kind = identity.split("/")[3]
        if kind == "Product":
            return self.products.get(identity)
        if kind == "ProductVariant":
            return next((variant for variant in self.variants() if variant["id"] == identity), None)
        if kind == "InventoryItem":
            items = (variant["inventoryItem"] for variant in self.variants())
            return next((item for item in items if item["id"] == identity), None)
        return None

    def _metafields(self, values: Mapping[str, str], at: str) -> list[Object]:
        return [
            {
                "__typename": "Metafield", "id": gid("Metafield", self.number()), "namespace": name.partition(".")[0],
                "key": name.partition(".")[2], "type": "single_line_text_field", "value": value, "updatedAt": at,
            }
            for name, value in values.items()
        ]  # fmt: skip


def big_shop(variants: int) -> ShopData:
    """So many variants, four a product, each at two locations, with pictures and metafields."""
    data = ShopData()
    data.add_location("Warehouse")
    text = "<p>" + "A soft shirt of organic cotton, knitted close and dyed in small lots. " * 8 + "</p>"
    for number in range(variants // 4):
        data.add_product(
            f"product-{number}",
            options=["Size"],
            descriptionHtml=text,
            images=[f"https://cdn.shopify.com/files/{number}-{place}.jpg" for place in range(3)],
            metafields={"custom.material": "Cotton", "custom.care": "Cold wash"},
            variants=[
                {"options": (size,), "sku": f"SKU-{number}-{size}", "barcode": f"40063813{number:05}", "grams": 180.0,
                 "stock": {"Main": 3, "Warehouse": number % 50}, "metafields": {"custom.note": size}}
                for size in ("S", "M", "L", "XL")
            ],
        )  # fmt: skip
    return data


def load_csv(shop: ShopData, path: Path) -> None:
    """The products of a Shopify CSV export, as the API would give them (reference shopify.md 8)."""
    groups: dict[str, list[dict[str, str]]] = {}
    with path.open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream):
            groups.setdefault(row["Handle"], []).append(row)
    for handle, rows in groups.items():
        first = rows[0]
        names = [first.get(f"Option{n} Name", "") for n in (1, 2, 3)]
        names = [name for name in names if name]
        product = shop.add_product(
            handle,
            options=[] if names == ["Title"] else names,
            variants=(),
            images=list(dict.fromkeys(row["Image Src"] for row in rows if row.get("Image Src"))),
            metafields={
                name.partition("product.metafields.")[2].rstrip(")"): value
                for name, value in first.items()
                if "(product.metafields." in name and value
            },
            title=first["Title"],
            descriptionHtml=first.get("Body (HTML)", ""),
            vendor=first.get("Vendor", ""),
            productType=first.get("Type", ""),
            tags=[tag.strip() for tag in first.get("Tags", "").split(",") if tag.strip()],
            status=(first.get("Status") or "active").upper(),
            isGiftCard=first.get("Gift Card", "").lower() == "true",
            seo={"title": first.get("SEO Title") or None, "description": first.get("SEO Description") or None},
            category={"id": "gid://shopify/TaxonomyCategory/x", "fullName": first["Product Category"], "isLeaf": True,
                      "isArchived": False} if first.get("Product Category") else None,
        )  # fmt: skip
        for row in rows:
            if not row.get("Option1 Value") and not row.get("Variant Price"):
                continue
            quantity = row.get("Variant Inventory Qty", "")
            shop.add_variant(
                product,
                names,
                options=[row.get(f"Option{n} Value", "") for n in range(1, len(names) + 1)],
                stock=int(quantity) if quantity else None,
                tracked=bool(row.get("Variant Inventory Tracker")),
                grams=float(row["Variant Grams"]) if row.get("Variant Grams") else None,
                cost=row.get("Cost per item") or None,
                requires_shipping=row.get("Variant Requires Shipping", "").lower() != "false",
                sku=row.get("Variant SKU") or None,
                barcode=row.get("Variant Barcode") or None,
                price=row.get("Variant Price") or "0.00",
                compareAtPrice=row.get("Variant Compare At Price") or None,
                inventoryPolicy=(row.get("Variant Inventory Policy") or "deny").upper(),
            )
