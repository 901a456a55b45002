//! Reads and validates a module once and collects what the other stages need.
use std::collections::BTreeMap;

use wasmparser as wp;

use crate::refusal::{Place, Refusal};
use crate::{FUNCTIONS_MAX, MEMORY_MIN_MAX, MODULE_BYTES_MAX, accept};
use crate::{GlobalInfo, GlobalValue, Segment};

/// A function body and what validates it.
pub(crate) struct Body<'a> {
    pub(crate) check: wp::FuncToValidate<wp::ValidatorResources>,
    pub(crate) code: wp::FunctionBody<'a>,
}

/// The sections of a module, checked as far as they can be one by one.
#[derive(Default)]
pub(crate) struct Survey<'a> {
    pub(crate) types: Vec<wp::FuncType>,
    pub(crate) imports: Vec<wp::Import<'a>>,
    /// Type indices of all functions, imported ones first.
    pub(crate) functions: Vec<u32>,
    pub(crate) tables: Option<wp::TableSectionReader<'a>>,
    pub(crate) memories: Vec<wp::MemoryType>,
    pub(crate) globals: Option<wp::GlobalSectionReader<'a>>,
    pub(crate) mutable_globals: Vec<GlobalInfo>,
    pub(crate) exports: Vec<wp::Export<'a>>,
    pub(crate) start: Option<u32>,
    pub(crate) elements: Option<wp::ElementSectionReader<'a>>,
    pub(crate) bodies: Vec<Body<'a>>,
    pub(crate) image: Vec<Segment>,
    pub(crate) function_names: BTreeMap<u32, String>,
    pub(crate) global_names: BTreeMap<u32, String>,
    pub(crate) devices: Vec<String>,
}

impl Survey<'_> {
    /// Imported functions; they have the first indices.
    pub(crate) fn imported(&self) -> u32 {
        u32::try_from(self.imports.len()).expect("limited by the validator")
    }

    /// A function as it is called in messages.
    pub(crate) fn place(&self, index: u32) -> Place {
        Place {
            index,
            name: self.function_names.get(&index).cloned(),
        }
    }

    /// Type of the function at `index`.
    pub(crate) fn function_type(&self, index: u32) -> &wp::FuncType {
        &self.types[self.functions[index as usize] as usize]
    }
}

/// Reads a module; the bodies are not validated yet.
pub(crate) fn survey(module: &[u8]) -> Result<Survey<'_>, Refusal> {
    let size = module.len() as u64;
    limit("the module's size", size, MODULE_BYTES_MAX as u64)?;
    let mut survey = Survey::default();
    let mut segments = Vec::new();
    let mut validator = wp::Validator::new_with_features(wp::WasmFeatures::all());
    for payload in wp::Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let wp::Payload::Version {
            encoding: wp::Encoding::Component,
            ..
        } = payload
        {
            return Err(Refusal::Component);
        }
        match validator.payload(&payload)? {
            wp::ValidPayload::Func(check, code) => survey.bodies.push(Body { check, code }),
            _ => survey.collect(payload, &mut segments)?,
        }
    }
    let count = survey.functions.len() as u64;
    limit("the number of functions", count, u64::from(FUNCTIONS_MAX))?;
    check_memory(&survey.memories)?;
    survey.image = image(&survey.memories[0], segments)?;
    Ok(survey)
}

pub(crate) fn limit(what: &str, size: u64, max: u64) -> Result<(), Refusal> {
    if size > max {
        return Err(Refusal::TooLarge {
            what: what.to_owned(),
            size,
            max,
        });
    }
    Ok(())
}

impl<'a> Survey<'a> {
    fn collect(
        &mut self,
        payload: wp::Payload<'a>,
        segments: &mut Vec<wp::Data<'a>>,
    ) -> Result<(), Refusal> {
        match payload {
            wp::Payload::TypeSection(section) => self.collect_types(section)?,
            wp::Payload::ImportSection(section) => self.collect_imports(section)?,
            wp::Payload::FunctionSection(section) => {
                for index in section {
                    self.functions.push(index?);
                }
            }
            wp::Payload::TableSection(section) => {
                for (index, table) in section.clone().into_iter().enumerate() {
                    accept::table(index, &table?.ty)?;
                }
                self.tables = Some(section);
            }
            wp::Payload::MemorySection(section) => {
                for memory in section {
                    self.memories.push(memory?);
                }
            }
            wp::Payload::TagSection(section) if section.count() > 0 => {
                let (place, seen) = ("a tag".to_owned(), "exception".to_owned());
                return Err(Refusal::Type { place, seen });
            }
            wp::Payload::GlobalSection(section) => self.collect_globals(section)?,
            wp::Payload::ExportSection(section) => self.collect_exports(section)?,
            wp::Payload::StartSection { func, .. } => self.start = Some(func),
            wp::Payload::ElementSection(section) => {
                for (index, element) in section.clone().into_iter().enumerate() {
                    accept::element(index, &element?)?;
                }
                self.elements = Some(section);
            }
            wp::Payload::DataSection(section) => {
                for data in section {
                    segments.push(data?);
                }
            }
            wp::Payload::CustomSection(section) => {
                self.collect_names(&section);
                self.collect_devices(&section);
            }
            _ => {}
        }
        Ok(())
    }

    fn collect_types(&mut self, section: wp::TypeSectionReader<'a>) -> Result<(), Refusal> {
        for group in section {
            let group = group?;
            let several = group.is_explicit_rec_group();
            for one in group.types() {
                self.types
                    .push(accept::function_type(self.types.len(), one, several)?);
            }
        }
        Ok(())
    }

    fn collect_imports(&mut self, section: wp::ImportSectionReader<'a>) -> Result<(), Refusal> {
        for import in section.into_imports() {
            let import = import?;
            let kind = match import.ty {
                wp::TypeRef::Func(index) => {
                    self.functions.push(index);
                    self.imports.push(import);
                    continue;
                }
                wp::TypeRef::Memory(_) => "memory",
                wp::TypeRef::Table(_) => "table",
                wp::TypeRef::Global(_) => "global",
                wp::TypeRef::Tag(_) => "tag",
                wp::TypeRef::FuncExact(_) => "exact function",
            };
            let (module, name) = (import.module.to_owned(), import.name.to_owned());
            return Err(Refusal::ImportKind { module, name, kind });
        }
        Ok(())
    }

    fn collect_globals(&mut self, section: wp::GlobalSectionReader<'a>) -> Result<(), Refusal> {
        for (index, global) in (0u32..).zip(section.clone()) {
            let global = global?;
            let place = || format!("global {index}");
            accept::value_type(place, global.ty.content_type)?;
            if global.ty.shared {
                return Err(Refusal::Type {
                    place: place(),
                    seen: "shared".to_owned(),
                });
            }
            if !global.ty.mutable {
                continue;
            }
            let initial = constant(&global.init_expr)?;
            let initial = initial.ok_or_else(|| Refusal::NotConstant { place: place() })?;
            self.mutable_globals.push(GlobalInfo { index, initial });
        }
        self.globals = Some(section);
        Ok(())
    }

    fn collect_exports(&mut self, section: wp::ExportSectionReader<'a>) -> Result<(), Refusal> {
        for export in section {
            let export = export?;
            if export.name.starts_with("__plurix_") {
                return Err(Refusal::ReservedExport {
                    name: export.name.to_owned(),
                });
            }
            self.exports.push(export);
        }
        Ok(())
    }

    /// A name in each line; what is no text declares nothing.
    fn collect_devices(&mut self, section: &wp::CustomSectionReader<'a>) {
        if section.name() == abi::DEVICES_SECTION
            && let Ok(names) = core::str::from_utf8(section.data())
        {
            let names = names.lines().filter(|name| !name.is_empty());
            self.devices.extend(names.map(str::to_owned));
        }
    }

    /// Names are decoration: a malformed section counts as absent from the fault on.
    fn collect_names(&mut self, section: &wp::CustomSectionReader<'a>) {
        let wp::KnownCustom::Name(names) = section.as_known() else {
            return;
        };
        for subsection in names.into_iter().flatten() {
            let (map, target) = match subsection {
                wp::Name::Function(map) => (map, &mut self.function_names),
                wp::Name::Global(map) => (map, &mut self.global_names),
                _ => continue,
            };
            for naming in map.into_iter().flatten() {
                target.insert(naming.index, naming.name.to_owned());
            }
        }
    }
}

fn check_memory(memories: &[wp::MemoryType]) -> Result<(), Refusal> {
    let memory = match memories {
        [] => return Err(Refusal::NoMemory),
        [memory] => memory,
        _ => {
            let count = u32::try_from(memories.len()).expect("limited by the validator");
            return Err(Refusal::SeveralMemories { count });
        }
    };
    let (seen, expected) = if memory.memory64 {
        ("a 64-bit one", "a 32-bit one (target wasm32)")
    } else if memory.shared {
        ("shared", "one that is not shared; a step runs alone")
    } else if memory.page_size_log2.is_some() {
        (
            "one with a page size of its own",
            "the standard page size of 64 KiB",
        )
    } else {
        return limit(
            "the initial memory (in 64 KiB)",
            memory.initial,
            MEMORY_MIN_MAX,
        );
    };
    Err(Refusal::MemoryKind { seen, expected })
}

/// The active segments. Passive ones have no effect, as no instruction may use them.
fn image(memory: &wp::MemoryType, segments: Vec<wp::Data<'_>>) -> Result<Vec<Segment>, Refusal> {
    let memory_bytes = memory.initial << 16;
    let mut image = Vec::new();
    for (index, data) in (0u32..).zip(segments) {
        let wp::DataKind::Active { offset_expr, .. } = data.kind else {
            continue;
        };
        let Some(GlobalValue::I32(offset)) = constant(&offset_expr)? else {
            return Err(Refusal::NotConstant {
                place: format!("the offset of data segment {index}"),
            });
        };
        let offset = offset.cast_unsigned();
        let end = u64::from(offset) + data.data.len() as u64;
        if end > memory_bytes {
            return Err(Refusal::SegmentOutside {
                index,
                end,
                memory_bytes,
            });
        }
        image.push(Segment {
            offset,
            bytes: data.data.to_vec(),
        });
    }
    Ok(image)
}

/// The value of an expression that is one `const` instruction.
fn constant(expr: &wp::ConstExpr<'_>) -> Result<Option<GlobalValue>, Refusal> {
    let mut ops = expr.get_operators_reader();
    let value = match ops.read()? {
        wp::Operator::I32Const { value } => GlobalValue::I32(value),
        wp::Operator::I64Const { value } => GlobalValue::I64(value),
        wp::Operator::F32Const { value } => GlobalValue::F32(value.bits()),
        wp::Operator::F64Const { value } => GlobalValue::F64(value.bits()),
        wp::Operator::V128Const { value } => GlobalValue::V128(u128::from_le_bytes(*value.bytes())),
        _ => return Ok(None),
    };
    Ok(matches!(ops.read()?, wp::Operator::End).then_some(value))
}
