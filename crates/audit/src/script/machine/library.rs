//! What functions of libraries do to what is followed. What is not listed here returns a number made of its arguments.

use super::super::taint::{Flags, TaintId};
use super::super::trace::Action;
use super::super::value::{Kind, Object, ObjectId, Role, Value};
use super::Machine;
use super::calls::Arguments;

impl<'a> Machine<'a, '_> {
    /// Calls the library function of this full name.
    pub(super) fn library(&mut self, name: &str, arguments: &Arguments<'a>) -> Value<'a> {
        self.surface(name, arguments);
        let last = name.rsplit('.').next().unwrap_or(name);
        let first = arguments.positional.first();
        match last {
            "print" | "info" | "warning" => self.report(arguments),
            "get" | "getenv" if name.ends_with("environ.get") || name.ends_with("getenv") => {
                self.environment(arguments)
            }
            "int" | "float" | "bool" | "str" if !name.contains('.') => self.converted(last, arguments),
            // A known number in another type.
            "float16" | "float32" | "float64" | "int16" | "int32" | "int64" if number_of(first).is_some() => {
                first.cloned().unwrap_or_else(|| Value::unknown(TaintId::NONE))
            }
            "len" => {
                let taint = self.given(arguments);
                let known = first.and_then(Value::object).and_then(|id| self.heap.get(id).items.as_ref().map(Vec::len));
                let kind = known.and_then(|len| i64::try_from(len).ok()).map_or(Kind::Unknown, Kind::Int);
                let taint = self.as_position(taint);
                Value { kind, taint }
            }
            "range" => self.range(arguments),
            "enumerate" => self.enumerated(arguments),
            "zip" => self.zipped(arguments),
            "bytearray" if arguments.positional.is_empty() => self.list_from(Vec::new(), false),
            "list" | "tuple" | "sorted" | "reversed" | "set" | "deque" | "iter" | "tqdm" => {
                self.copied(last, arguments)
            }
            "next" => {
                let Some(iterable) = first else { return Value::unknown(TaintId::NONE) };
                let member = self.members(iterable).each.into_iter().next();
                let member = member.unwrap_or_else(|| Value::unknown(TaintId::NONE));
                Value { taint: self.varying(member.taint), kind: member.kind }
            }
            "map" => {
                let (Some(function), Some(iterable)) = (first, arguments.positional.get(1)) else {
                    return Value::unknown(TaintId::NONE);
                };
                let members = self.members(iterable).each;
                let member = members.into_iter().next_back().unwrap_or_else(|| Value::unknown(TaintId::NONE));
                let each = self.apply(function.clone(), Arguments { positional: vec![member], named: Vec::new() });
                self.list_of(each)
            }
            "getattr" => match (first, arguments.positional.get(1).and_then(Value::text)) {
                (Some(holder), Some(name)) => self.attribute_named(holder, name, arguments),
                _ => Value::unknown(TaintId::NONE),
            },
            "setattr" => {
                if let (Some(id), Some(name), Some(value)) = (
                    first.and_then(Value::object),
                    arguments.positional.get(1).and_then(Value::text),
                    arguments.positional.get(2),
                ) {
                    self.write_attribute(id, name, value.clone());
                }
                Value::of(Kind::None)
            }
            "isinstance" | "hasattr" | "callable" | "issubclass" | "super" => Value::unknown(TaintId::NONE),
            "shuffle" => self.shuffled(arguments),
            "randperm" | "permutation" | "argsort" => {
                let given = self.given(arguments);
                self.order(given, super::order::draws(name))
            }
            "dict" | "defaultdict" | "Counter" | "OrderedDict" => {
                let content = self.given(arguments);
                self.new_object(Role::Dict, content)
            }
            "time" | "perf_counter" | "monotonic" => Value::unknown(self.taints.with(TaintId::NONE, Flags::CLOCK)),
            "Path" | "abspath" | "expanduser" | "realpath" => {
                first.cloned().unwrap_or_else(|| Value::unknown(TaintId::NONE))
            }
            // A field of a dataclass is made once: its instances share it.
            "field" => match (arguments.named("default_factory"), arguments.named("default")) {
                (Some(factory), _) => self.apply(factory.clone(), Arguments::default()),
                (None, Some(default)) => default.clone(),
                (None, None) => Value::unknown(TaintId::NONE),
            },
            "join" => self.joined(arguments),
            "glob" | "iglob" => self.globbed(arguments),
            "open" if matches!(name, "open" | "io.open" | "gzip.open" | "lzma.open") => self.opened(arguments),
            "BytesIO" | "StringIO" => {
                let content = self.given(arguments);
                self.new_object(Role::File, content)
            }
            "load" | "fromfile" | "memmap" | "from_file" | "load_file" | "safe_open" => self.loaded(name, arguments),
            "save" | "save_file" | "savez" => self.saved(arguments),
            "deepcopy" | "copy" => self.duplicate(arguments),
            "compile"
            | "DistributedDataParallel"
            | "DDP"
            | "script"
            | "no_grad"
            | "as_tensor"
            | "wraps"
            | "partial" => first.cloned().unwrap_or_else(|| Value::unknown(TaintId::NONE)),
            "cross_entropy" | "nll_loss" | "CrossEntropyLoss"
                if arguments.positional.len() < 2 && last == "CrossEntropyLoss" =>
            {
                Value::of(Kind::Library("torch.nn.functional.cross_entropy".into()))
            }
            "cross_entropy" | "nll_loss" => {
                let data = self.given(arguments);
                self.loss(data)
            }
            "softmax" | "log_softmax" | "logsumexp" => {
                let taint = self.given(arguments);
                Value::unknown(self.normalised(last, taint))
            }
            "stack" => {
                let taint = self.given(arguments);
                let taint = self.taints.as_number(taint);
                let experts = first.cloned().map(|list| self.known_members(&list)).unwrap_or_default();
                Value::unknown(self.side_by_side(&experts, taint))
            }
            "gather" | "take_along_axis" | "take_along_dim" => {
                let rest =
                    Arguments { positional: arguments.positional.iter().skip(1).cloned().collect(), named: Vec::new() };
                match first {
                    Some(receiver) => self.gathered(&receiver.clone(), &rest),
                    None => Value::unknown(TaintId::NONE),
                }
            }
            "multinomial" => {
                let taint = self.given(arguments);
                let taint = self.taints.without(taint, Flags::VAL.with(Flags::TRAIN).with(Flags::DISTRIBUTION));
                Value::unknown(self.taints.with(taint, Flags::GENERATED))
            }
            "bincount" | "histogram" | "unique" => {
                let taint = self.given(arguments);
                let taint = self.taints.as_number(taint);
                let taint = self.taints.without(taint, Flags::HASHED.with(Flags::EXTENDED).with(Flags::TARGET));
                Value::unknown(self.taints.with(taint, Flags::COUNTED))
            }
            "minimum" | "maximum" | "min" | "max" | "fmin" | "fmax" => self.smaller(arguments),
            // Where something holds: a position, whatever was compared to find it.
            "nonzero" | "flatnonzero" | "argwhere" => {
                let taint = self.given(arguments);
                Value::unknown(self.found_at(taint))
            }
            "where" if arguments.positional.len() == 1 => {
                let taint = self.given(arguments);
                Value::unknown(self.found_at(taint))
            }
            "where" => {
                let taint = self.given(arguments);
                let condition = first.map_or(Flags::default(), |first| self.taints.flags(first.taint));
                // Only what chooses between two losses or probabilities is a gate: a loss or nothing leaves tokens out.
                let losses = arguments.positional.iter().skip(1);
                let losses = losses.filter(|value| self.taints.flags(value.taint).has(Flags::LOSS)).count();
                let constants = arguments.positional.iter().skip(1).filter(|value| value.number().is_some()).count();
                let leaves_out = losses == 1 && constants == 1;
                let class = Flags::BY_TARGET.with(Flags::TARGET_GATE);
                let taint = match condition.has(Flags::BY_TARGET) {
                    true if leaves_out => self.taints.without(taint, class),
                    true => self.selecting(taint),
                    false => taint,
                };
                Value::unknown(self.taints.as_number(taint))
            }
            "tensor" if arguments.named("requires_grad").is_some_and(|value| value.truth() == Some(true)) => {
                self.allocated(last, arguments)
            }
            "linear" | "matmul" | "mm" | "bmm" | "einsum" | "addmm" | "baddbmm" => {
                let taint = self.given(arguments);
                let taint = self.taints.as_number(taint);
                Value::unknown(self.taints.without(taint, Flags::ADDED))
            }
            "zeros" | "empty" | "full" | "ones" | "zeros_like" | "empty_like" | "full_like" | "ones_like"
            | "Parameter" | "rand" | "randn" | "Tensor" => self.allocated(last, arguments),
            "ModuleList" | "ModuleDict" | "ParameterList" | "ParameterDict" => match first {
                Some(list) => list.clone(),
                None => self.new_object(Role::List, TaintId::NONE),
            },
            "grad" if name.contains("autograd") => self.gradient(arguments),
            "at" if name.contains(".add.") || name.contains("ufunc") => {
                self.table_update(first.cloned().as_ref(), arguments.positional.get(1), arguments);
                Value::of(Kind::None)
            }
            _ if is_optimizer(name) => {
                let optimizer = self.allocate(Object::new(Role::Optimizer));
                if let Some(id) = optimizer.object() {
                    self.own_parameters(id, arguments.get(0, "params"));
                }
                optimizer
            }
            _ if name.contains(".nn.") && last.starts_with(char::is_uppercase) => {
                let content = self.given(arguments);
                self.new_object(Role::Module, content)
            }
            _ => {
                let taint = self.given(arguments);
                Value::unknown(self.taints.as_number(taint))
            }
        }
    }

    /// The positions of what holds: neither key nor loss, but still selected by what was compared.
    pub(super) fn found_at(&mut self, taint: TaintId) -> TaintId {
        let taint = self.taints.as_number(taint);
        let content = Flags::HASHED.with(Flags::EXTENDED).with(Flags::TARGET).with(Flags::LOSS).with(Flags::GOLD);
        self.taints.without(taint, content.with(Flags::DISTRIBUTION))
    }

    fn report(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let data = self.given(arguments);
        if !self.taints.get(data).scores.is_empty() {
            let texts = arguments.positional.iter().map(|value| value.text().unwrap_or("\u{fffc}"));
            let text = texts.collect::<Vec<_>>().join(" ");
            self.event(Action::Report { text: text.into(), data });
        }
        Value::of(Kind::None)
    }

    /// `os.environ.get("NAME", default)`.
    pub(super) fn environment(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let name = arguments.positional.first().and_then(Value::text).unwrap_or_default().to_owned();
        let default = arguments.positional.get(1).cloned();
        let stated = self.config.text(&name).map(Kind::text);
        // A name that is empty by default is what the log prints for it.
        let empty = default.as_ref().and_then(Value::text).is_some_and(str::is_empty);
        let printed = self.config.said().filter(|_| empty).and_then(|said| said.value(&name)).map(Kind::text);
        let stated = stated.or(printed);
        let kind = stated.unwrap_or_else(|| default.as_ref().map_or(Kind::None, |value| value.kind.clone()));
        let kind = match self.config.text(&name) {
            Some(_) => kind,
            None => match launched(&name) {
                Some(number) => Kind::Int(number),
                None if (default.is_none() || is_switch(&kind)) && self.doubts(&name) => Kind::Unknown,
                None => kind,
            },
        };
        let taint = default.map_or(TaintId::NONE, |value| value.taint);
        let taint = self.named_data(taint, &name);
        let taint = if name == "SEED" { self.taints.with(taint, Flags::SEED) } else { taint };
        Value { kind, taint }
    }

    fn converted(&mut self, to: &str, arguments: &Arguments<'a>) -> Value<'a> {
        let Some(value) = arguments.positional.first() else { return Value::unknown(TaintId::NONE) };
        let taint = self.taint(value);
        let taint = self.taints.as_number(taint);
        let text = value.text().map(str::trim);
        let kind = match to {
            "int" => text.and_then(|text| text.replace('_', "").parse().ok()).map(Kind::Int).or(match value.kind {
                Kind::Int(int) => Some(Kind::Int(int)),
                Kind::Bool(truth) => Some(Kind::Int(i64::from(truth))),
                Kind::Float(float) => Some(Kind::Int(float as i64)),
                _ => match text {
                    Some("True") => Some(Kind::Int(1)),
                    Some("False") => Some(Kind::Int(0)),
                    _ => None,
                },
            }),
            "float" => text.and_then(|text| text.parse().ok()).or_else(|| value.number()).map(Kind::Float),
            "bool" => value.truth().map(Kind::Bool),
            _ => match &value.kind {
                Kind::Text(text) => Some(Kind::Text(text.clone())),
                Kind::Int(int) => Some(Kind::Text(int.to_string().into())),
                _ => None,
            },
        };
        Value { kind: kind.unwrap_or(Kind::Unknown), taint }
    }

    /// A copy is another object with the same state.
    fn duplicate(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        match arguments.positional.first() {
            Some(Value { kind: Kind::Object(id), taint }) => {
                let copy = self.clone_object(*id, 0);
                Value { kind: Kind::Object(copy), taint: *taint }
            }
            Some(value) => value.clone(),
            None => Value::unknown(TaintId::NONE),
        }
    }

    fn clone_object(&mut self, id: ObjectId, depth: usize) -> ObjectId {
        if !self.step() {
            return id;
        }
        let object = self.heap.get(id);
        self.keep(object.attributes.len() + object.items.as_ref().map_or(0, Vec::len));
        let mut object = self.heap.get(id).clone();
        if depth < 4 {
            for value in
                object.attributes.values_mut().chain(object.items.iter_mut().flatten()).chain(&mut object.element)
            {
                if let Kind::Object(inner) = value.kind {
                    value.kind = Kind::Object(self.clone_object(inner, depth + 1));
                }
            }
        }
        self.heap.add(object)
    }

    /// The smaller of losses on the token that came.
    fn smaller(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        let taint = self.taints.as_number(taint);
        // Of numbers that are all known, none is chosen by the token that came.
        if arguments.positional.len() > 1 && arguments.positional.iter().all(|value| value.number().is_some()) {
            return Value::unknown(taint);
        }
        let gold = Flags::LOSS.with(Flags::GOLD);
        let losses = arguments.positional.iter().map(|value| value.taint);
        let losses: Vec<TaintId> = losses.filter(|taint| self.taints.flags(*taint).any(gold)).collect();
        if losses.len() >= 2 && self.taints.flags(taint).has(Flags::VAL) {
            let chosen = self.by_comparing(&losses);
            return Value::unknown(self.taints.with(taint, chosen));
        }
        Value::unknown(taint)
    }

    /// A tensor that can be written into.
    fn allocated(&mut self, how: &str, arguments: &Arguments<'a>) -> Value<'a> {
        let content = match how {
            "full" => arguments.positional.get(1).map_or(TaintId::NONE, |value| value.taint),
            "Parameter" | "Tensor" | "tensor" => self.given(arguments),
            _ => TaintId::NONE,
        };
        let tensor = self.new_object(Role::Tensor, content);
        let learns = arguments.named("requires_grad").is_some_and(|value| value.truth() == Some(true));
        if let Some(id) = tensor.object().filter(|_| learns || how == "Parameter") {
            self.as_offset(id);
            let anew = how != "Parameter" && !self.loops.is_empty();
            if anew {
                let anew = self.taints.with(TaintId::NONE, Flags::ANEW);
                self.pour(id, anew);
            }
        }
        tensor
    }
}

fn number_of(value: Option<&Value<'_>>) -> Option<f64> {
    value.and_then(Value::number)
}

/// What `torchrun` states on the contest's machine, eight GPUs, to the process that reports.
pub(super) fn launched(name: &str) -> Option<i64> {
    match name {
        "RANK" | "LOCAL_RANK" => Some(0),
        "WORLD_SIZE" | "LOCAL_WORLD_SIZE" => Some(8),
        _ => None,
    }
}

/// Whether it is how a script writes a switch that is off, or one of several ways of doing something.
fn is_switch(kind: &Kind<'_>) -> bool {
    match kind {
        Kind::Text(text) => {
            let text = text.trim();
            let word = text.chars().all(|c| c.is_ascii_alphabetic() || c == '_' || c == '-');
            (word && !matches!(text, "1" | "True" | "true" | "yes" | "on")) || text == "0"
        }
        Kind::Int(0) | Kind::Bool(false) => true,
        _ => false,
    }
}

fn is_optimizer(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    name.contains("optim") && last.starts_with(char::is_uppercase) && !last.contains("Sched") && !last.ends_with("LR")
}
