//! Files: the data that a path leads to, and everything that is read from it and written to it.

use std::rc::Rc;

use super::super::taint::{Flags, TaintId};
use super::super::trace::Action;
use super::super::value::{HOLE, Kind, ObjectRole, Value};
use super::Machine;
use super::arguments::Arguments;
use super::bytes::speaks_of_bytes;
use super::library::Format;

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
            if let Some(written) = self.memory.files.get(&text).copied() {
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
        let file = self.new_object(ObjectRole::File, content);
        if let Some(id) = file.object() {
            self.memory.heap.get_mut(id).attributes.insert("name".into(), path.clone());
        }
        file
    }

    /// Something read from a file.
    pub(super) fn loaded(&mut self, format: Format, arguments: &Arguments<'a>) -> Value<'a> {
        let content = match arguments.positional.first() {
            Some(source) => self.at_path(source),
            None => self.given(arguments),
        };
        let content = self.shipped(content);
        let content = self.foreign(format, arguments, content);
        let role = if format == Format::Document { ObjectRole::Other } else { ObjectRole::Tensor };
        self.new_object(role, content)
    }

    /// Returns the origin of data read from a file that the script did not write, as far as that is known.
    pub(super) fn foreign(&mut self, format: Format, arguments: &Arguments<'a>, content: TaintId) -> TaintId {
        let Some(path) = arguments.positional.first() else { return content };
        if self.taints.flags(content).any(Flags::VAL.with(Flags::TRAIN)) {
            return content;
        }
        let of_numbers = format == Format::Numbers;
        match path.text() {
            Some(text) if self.memory.files.contains_key(text) => content,
            Some(text) if of_numbers && speaks_of_bytes(text) => {
                self.taints.with(content, Flags::FOREIGN.with(Flags::TABLE_FILE))
            }
            None if !of_numbers => content,
            _ => self.taints.with(content, Flags::FOREIGN),
        }
    }

    /// Marks data read from a file that the script did not write and that belongs to neither data set: it came with the
    /// script.
    pub(super) fn shipped(&mut self, content: TaintId) -> TaintId {
        if self.taints.flags(content).any(Flags::VAL.with(Flags::TRAIN)) {
            return content;
        }
        self.taints.with(content, Flags::SHIPPED)
    }

    /// `torch.save(value, where)`, `numpy.save(where, value)`.
    pub(super) fn saved(&mut self, place: usize, arguments: &Arguments<'a>) -> Value<'a> {
        let Some(file) = arguments.positional.get(place) else { return Value::of(Kind::None) };
        let others = arguments.positional.iter().enumerate().filter(|(index, _)| *index != place);
        let values = others.map(|(_, value)| value).chain(arguments.named.iter().map(|(_, value)| value));
        let mut taint = self.together(values.clone());
        for id in values.filter_map(Value::object) {
            let within = self.memory.updates_within(id, &mut self.taints);
            taint = self.taints.union(taint, within);
        }
        self.write_to(file, taint);
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
                if let Some(path) = self.memory.heap.get(*id).attributes.get("name").and_then(Value::text) {
                    self.write_path(path.into(), taint);
                }
            }
            Kind::Text(path) => self.write_path(path.clone(), taint),
            _ => {}
        }
    }

    fn write_path(&mut self, path: Rc<str>, taint: TaintId) {
        let before = self.memory.files.get(&path).copied().unwrap_or(TaintId::NONE);
        let after = if !self.branches.are_known() { self.taints.union(before, taint) } else { taint };
        self.memory.files.insert(path, after);
    }
}
