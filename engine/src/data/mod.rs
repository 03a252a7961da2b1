//! Shards, tokenizer byte tables, documents and loaders (spec/algorithms.md §1).
