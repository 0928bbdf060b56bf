"""Texts of products in the language of a marketplace site: by people, the glossary or a model, where auto_translate is on."""
