//! Files: which data a path leads to, what is read from it and written to it.

use std::rc::Rc;

use super::super::taint::{Flags, TaintId};
use super::super::trace::Action;
use super::super::value::{HOLE, Kind, Role, Value};
use super::Machine;
use super::calls::Arguments;

impl<'a> Machine<'a, '_> {
    /// Data that a text names.
    pub(super) fn named_data(&mut self, taint: TaintId, text: &str) -> TaintId {
        let text = text.to_ascii_lowercase();
        let mut flags = Flags::default();
        if ["fineweb_val", "val_files", "val_pattern", "_val_*", "val_data"].iter().any(|name| text.contains(name)) {
            flags = flags.with(Flags::VAL);
        }
        if ["fineweb_train", "train_files", "train_pattern", "_train_*"].iter().any(|name| text.contains(name)) {
            flags = flags.with(Flags::TRAIN);
        }
        if text.contains("val_bytes") || text.contains("_bytes_*") {
            flags = flags.with(Flags::SIDECAR);
        }
        self.taints.with(taint, flags)
    }

    /// The data that a path leads to.
    pub(super) fn at_path(&mut self, path: &Value<'a>) -> TaintId {
        let mut taint = self.taint(path);
        if let Some(text) = path.text() {
            let text: Rc<str> = text.into();
            if let Some(written) = self.files.get(&text).copied() {
                taint = self.taints.union(taint, written);
            }
            taint = self.named_data(taint, &text);
        }
        taint
    }

    pub(super) fn joined(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        let parts = arguments.positional.iter().map(|part| match &part.kind {
            Kind::Text(text) => text.to_string(),
            _ => HOLE.to_string(),
        });
        let text = parts.collect::<Vec<_>>().join("/");
        let taint = self.named_data(taint, &text);
        Value { kind: Kind::text(&text), taint }
    }

    pub(super) fn globbed(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let Some(pattern) = arguments.positional.first() else { return Value::unknown(TaintId::NONE) };
        let taint = self.at_path(pattern);
        let member = Value { kind: pattern.kind.clone(), taint };
        self.list_of(member)
    }

    pub(super) fn opened(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let Some(path) = arguments.get(0, "file") else { return Value::unknown(TaintId::NONE) };
        let content = self.at_path(path);
        let content = self.shipped(content);
        let file = self.new_object(Role::File, content);
        if let Some(id) = file.object() {
            self.heap.get_mut(id).attributes.insert("name".into(), path.clone());
        }
        file
    }

    /// Something read from a file.
    pub(super) fn loaded(&mut self, name: &str, arguments: &Arguments<'a>) -> Value<'a> {
        let content = match arguments.positional.first() {
            Some(source) => self.at_path(source),
            None => self.given(arguments),
        };
        let content = self.shipped(content);
        let content = self.foreign(name, arguments, content);
        self.new_object(Role::Tensor, content)
    }

    /// What is read from a file that the script did not write and that belongs to neither data set came with it.
    pub(super) fn shipped(&mut self, content: TaintId) -> TaintId {
        if self.taints.flags(content).any(Flags::VAL.with(Flags::TRAIN)) {
            return content;
        }
        self.taints.with(content, Flags::SHIPPED)
    }

    /// `torch.save(value, where)`.
    pub(super) fn saved(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        if let (Some(value), Some(place)) = (arguments.positional.first(), arguments.positional.get(1)) {
            let mut taint = self.taint(value);
            if let Some(id) = value.object() {
                let within = self.updates_within(id);
                taint = self.taints.union(taint, within);
            }
            self.write_to(&place.clone(), taint);
        }
        Value::of(Kind::None)
    }

    /// Content that goes to a file or a path.
    pub(super) fn write_to(&mut self, place: &Value<'a>, taint: TaintId) {
        let taint = self.taints.as_number(taint);
        let made = Flags::LOSS.with(Flags::GOLD).with(Flags::DISTRIBUTION).with(Flags::COUNTED).with(Flags::CLOCK);
        let flags = self.taints.flags(taint);
        if flags.has(Flags::VAL) && !flags.any(made) {
            self.event(Action::Written { data: taint });
        }
        match &place.kind {
            Kind::Object(id) => {
                self.pour(*id, taint);
                if let Some(path) = self.heap.get(*id).attributes.get("name").and_then(Value::text) {
                    self.write_path(path.into(), taint);
                }
            }
            Kind::Text(path) => self.write_path(path.clone(), taint),
            _ => {}
        }
    }

    fn write_path(&mut self, path: Rc<str>, taint: TaintId) {
        let before = self.files.get(&path).copied().unwrap_or(TaintId::NONE);
        let after = if self.uncertain > 0 { self.taints.union(before, taint) } else { taint };
        self.files.insert(path, after);
    }
}
