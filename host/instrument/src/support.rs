//! What is added to a module: imports of the barrier calls, and functions around them.
//!
//! The slow paths are functions of the module, so that the guards stay short.
use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, ValType};

/// Index of the barrier table among the memories.
pub(crate) const TABLE: u32 = 1;
/// log2 of the page size: an address shifted by it is an index into the table.
pub(crate) const PAGE_SHIFT: i32 = 12;

/// Imports that are added behind those of the module.
pub(crate) const IMPORTS: [(&str, Shape); 4] = [
    (abi::runtime::WRITE, Shape::Range),
    (abi::runtime::WRITE_RANGE, Shape::Range),
    (abi::runtime::READ_RANGE, Shape::Range),
    (abi::runtime::GROW, Shape::Grow),
];
/// Functions that are added behind those of the module.
pub(crate) const FUNCTIONS: [(&str, Shape); 15] = [
    ("plurix_guard", Shape::Range),
    ("plurix_fill", Shape::Bulk),
    ("plurix_copy", Shape::Bulk),
    ("plurix_grow", Shape::Grow),
    ("plurix_i32.store8", Shape::Store(ValType::I32)),
    ("plurix_i32.store16", Shape::Store(ValType::I32)),
    ("plurix_i32.store", Shape::Store(ValType::I32)),
    ("plurix_i64.store8", Shape::Store(ValType::I64)),
    ("plurix_i64.store16", Shape::Store(ValType::I64)),
    ("plurix_i64.store32", Shape::Store(ValType::I64)),
    ("plurix_i64.store", Shape::Store(ValType::I64)),
    ("plurix_f32.store", Shape::Store(ValType::F32)),
    ("plurix_f64.store", Shape::Store(ValType::F64)),
    ("plurix_v128.store", Shape::Store(ValType::V128)),
    // The last: whoever interrupts guests looks for it there.
    (abi::runtime::STOP_FUNCTION, Shape::Nothing),
];

/// Types of the added functions, in the order in which they are added to the types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// Nothing in, nothing out.
    Nothing,
    /// `(address, size)`.
    Range,
    /// `(pages) -> pages or error`.
    Grow,
    /// The operands of `memory.fill` and `memory.copy`.
    Bulk,
    /// `(address, value, offset, first guarded address, guarded size)`.
    Store(ValType),
}

impl Shape {
    pub(crate) const ALL: [Self; 9] = [
        Self::Nothing,
        Self::Range,
        Self::Grow,
        Self::Bulk,
        Self::Store(ValType::I32),
        Self::Store(ValType::I64),
        Self::Store(ValType::F32),
        Self::Store(ValType::F64),
        Self::Store(ValType::V128),
    ];

    pub(crate) fn params(self) -> Vec<ValType> {
        let count = match self {
            Self::Nothing => 0,
            Self::Range => 2,
            Self::Grow => 1,
            Self::Bulk => 3,
            Self::Store(_) => 5,
        };
        let mut params = vec![ValType::I32; count];
        if let Self::Store(value) = self {
            params[1] = value;
        }
        params
    }

    pub(crate) fn results(self) -> &'static [ValType] {
        match self {
            Self::Nothing | Self::Range | Self::Bulk | Self::Store(_) => &[],
            Self::Grow => &[ValType::I32],
        }
    }
}

/// Function indices in the rewritten module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Indices {
    /// Imports of the module as it was.
    imported: u32,
    /// All functions of the module as it was.
    total: u32,
}

impl Indices {
    pub(crate) fn new(imported: u32, total: u32) -> Self {
        assert!(imported <= total, "imports are functions too");
        Self { imported, total }
    }

    /// Where a function of the module went.
    pub(crate) fn moved(self, index: u32) -> u32 {
        if index < self.imported {
            index
        } else {
            index + count(&IMPORTS)
        }
    }

    /// The first function with a body.
    pub(crate) fn first_defined(self) -> u32 {
        self.imported + count(&IMPORTS)
    }

    fn import(self, name: &str) -> u32 {
        self.imported + position(&IMPORTS, name)
    }

    /// An added function.
    pub(crate) fn function(self, name: &str) -> u32 {
        self.total + count(&IMPORTS) + position(&FUNCTIONS, name)
    }

    /// The index and name of everything that was added, ascending.
    pub(crate) fn names(self) -> impl Iterator<Item = (u32, String)> {
        let imports = IMPORTS.iter().map(move |(name, _)| {
            (
                self.import(name),
                format!("{}.{name}", abi::runtime::MODULE),
            )
        });
        let functions = FUNCTIONS
            .iter()
            .map(move |(name, _)| (self.function(name), (*name).to_owned()));
        imports.chain(functions)
    }

    /// The bodies of [`FUNCTIONS`], in order.
    pub(crate) fn bodies(self) -> Vec<Function> {
        let body = |(name, _): (&str, Shape)| match name {
            "plurix_guard" => self.guard(),
            "plurix_fill" => self.fill(),
            "plurix_copy" => self.copy(),
            "plurix_grow" => self.grow(),
            abi::runtime::STOP_FUNCTION => stop(),
            _ => self.store(name),
        };
        FUNCTIONS.into_iter().map(body).collect()
    }

    /// A store and its guard. An address beyond 4 GiB traps as the store itself would.
    fn store(self, name: &str) -> Function {
        let (address, value, offset, first, size) = (0, 1, 2, 3, 4);
        let effective = first;
        let mut function = Function::new([]);
        let mut code = function.instructions();
        code.local_get(first)
            .local_get(size)
            .call(self.function("plurix_guard"));
        code.local_get(address)
            .local_get(offset)
            .i32_add()
            .local_tee(effective);
        code.local_get(address).i32_lt_u().if_(BlockType::Empty);
        let beyond = MemArg {
            offset: u64::from(u32::MAX),
            align: 0,
            memory_index: 0,
        };
        code.i32_const(-1).i32_const(0).i32_store8(beyond).end();
        code.local_get(effective).local_get(value);
        let here = MemArg {
            offset: 0,
            align: 0,
            memory_index: 0,
        };
        match name {
            "plurix_i32.store8" => code.i32_store8(here),
            "plurix_i32.store16" => code.i32_store16(here),
            "plurix_i32.store" => code.i32_store(here),
            "plurix_i64.store8" => code.i64_store8(here),
            "plurix_i64.store16" => code.i64_store16(here),
            "plurix_i64.store32" => code.i64_store32(here),
            "plurix_i64.store" => code.i64_store(here),
            "plurix_f32.store" => code.f32_store(here),
            "plurix_f64.store" => code.f64_store(here),
            "plurix_v128.store" => code.v128_store(here),
            other => unreachable!("{other} is no store"),
        };
        code.end();
        function
    }

    /// `(address, size)`, size 1 to 4096: announces the range if one of its pages is
    /// protected. A range that wraps around 4 GiB becomes two.
    fn guard(self) -> Function {
        let (address, size, last) = (0, 1, 2);
        let mut function = Function::new([(1, ValType::I32)]);
        let mut code = function.instructions();
        code.local_get(address)
            .local_get(size)
            .i32_add()
            .i32_const(1)
            .i32_sub()
            .local_set(last);
        code.local_get(address);
        look_up(&mut code);
        code.local_get(last);
        look_up(&mut code);
        code.i32_or()
            .i32_eqz()
            .if_(BlockType::Empty)
            .return_()
            .end();
        code.local_get(last)
            .local_get(address)
            .i32_lt_u()
            .if_(BlockType::Empty);
        code.local_get(address)
            .i32_const(0)
            .local_get(address)
            .i32_sub();
        code.call(self.import(abi::runtime::WRITE));
        code.i32_const(0).local_get(last).i32_const(1).i32_add();
        code.call(self.import(abi::runtime::WRITE));
        code.else_();
        code.local_get(address)
            .local_get(size)
            .call(self.import(abi::runtime::WRITE));
        code.end().end();
        function
    }

    /// `memory.fill` behind its barrier. A range of at most a page whose pages are
    /// writable needs no call.
    fn fill(self) -> Function {
        let (target, value, length) = (0, 1, 2);
        let mut function = Function::new([]);
        let mut code = function.instructions();
        self.announce(&mut code, target, length, abi::runtime::WRITE_RANGE);
        code.local_get(target)
            .local_get(value)
            .local_get(length)
            .memory_fill(0)
            .end();
        function
    }

    /// `memory.copy` behind its barriers. A writable page is present, so the same test
    /// serves for the source.
    fn copy(self) -> Function {
        let (target, source, length) = (0, 1, 2);
        let mut function = Function::new([]);
        let mut code = function.instructions();
        self.announce(&mut code, target, length, abi::runtime::WRITE_RANGE);
        self.announce(&mut code, source, length, abi::runtime::READ_RANGE);
        code.local_get(target)
            .local_get(source)
            .local_get(length)
            .memory_copy(0, 0)
            .end();
        function
    }

    fn announce(self, code: &mut InstructionSink<'_>, address: u32, length: u32, call: &str) {
        code.local_get(address);
        look_up(code);
        code.local_get(address)
            .local_get(length)
            .i32_add()
            .i32_const(1)
            .i32_sub();
        look_up(code);
        code.i32_or();
        code.local_get(length)
            .i32_const(1 << PAGE_SHIFT)
            .i32_gt_u()
            .i32_or();
        code.if_(BlockType::Empty);
        code.local_get(address)
            .local_get(length)
            .call(self.import(call));
        code.end();
    }

    /// `memory.grow` behind the host's leave.
    fn grow(self) -> Function {
        let pages = 0;
        let mut function = Function::new([]);
        let mut code = function.instructions();
        code.local_get(pages).call(self.import(abi::runtime::GROW));
        code.if_(BlockType::Result(ValType::I32)).i32_const(-1);
        code.else_().local_get(pages).memory_grow(0).end().end();
        function
    }
}

/// What a guest is sent to that is to stop.
fn stop() -> Function {
    let mut function = Function::new([]);
    function.instructions().unreachable().end();
    function
}

/// Replaces an address by the byte of its page in the table. The index is below 2^20,
/// so within the table.
pub(crate) fn look_up(code: &mut InstructionSink<'_>) {
    code.i32_const(PAGE_SHIFT).i32_shr_u();
    code.i32_load8_u(MemArg {
        offset: 0,
        align: 0,
        memory_index: TABLE,
    });
}

fn position(list: &[(&str, Shape)], name: &str) -> u32 {
    let found = list.iter().position(|(one, _)| *one == name);
    u32::try_from(found.expect("named by this crate")).expect("a handful")
}

fn count(list: &[(&str, Shape)]) -> u32 {
    u32::try_from(list.len()).expect("a handful")
}
