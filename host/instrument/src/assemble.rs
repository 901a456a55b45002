//! Emits the rewritten module.
use wasm_encoder as we;
use wasm_encoder::reencode::Reencode;
use wasmparser as wp;

use crate::refusal::Refusal;
use crate::rewrite::{Mover, Rewritten};
use crate::support::{FUNCTIONS, IMPORTS, Indices, Shape, TABLE};
use crate::survey::Survey;
use crate::{Export, Instrumented, ModuleInfo, StackInfo, TABLE_PAGES_64K, accept};

/// What engines must support: WebAssembly 2.0, tail calls and several memories.
fn features() -> wp::WasmFeatures {
    wp::WasmFeatures::WASM2
        | wp::WasmFeatures::TAIL_CALL
        | wp::WasmFeatures::MULTI_MEMORY
        | wp::WasmFeatures::EXTENDED_CONST
}

/// Puts the sections together and checks the result.
pub(crate) fn assemble(
    survey: Survey<'_>,
    stack: Option<StackInfo>,
    bodies: &[Rewritten],
) -> Result<Instrumented, Refusal> {
    let total = u32::try_from(survey.functions.len()).expect("limited by the survey");
    let indices = Indices::new(survey.imported(), total);
    let mut mover = Mover(indices);
    let mut module = we::Module::new();
    module.section(&types(&survey, &mut mover)?);
    module.section(&imports(&survey));
    module.section(&functions(&survey));
    tables(&survey, &mut mover, &mut module)?;
    module.section(&memories(&survey));
    globals(&survey, stack.as_ref(), &mut mover, &mut module)?;
    module.section(&exports(&survey, &mut mover)?);
    elements(&survey, &mut mover, &mut module)?;
    code(bodies, indices, &mut module);
    module.section(&names(&survey, indices));
    let wasm = module.finish();
    let mut validator = wp::Validator::new_with_features(features());
    validator.validate_all(&wasm).map_err(Refusal::internal)?;
    let info = info(&survey, stack);
    Ok(Instrumented {
        wasm,
        image: survey.image,
        info,
    })
}

fn types(survey: &Survey<'_>, mover: &mut Mover) -> Result<we::TypeSection, Refusal> {
    let mut section = we::TypeSection::new();
    for ty in &survey.types {
        let ty = mover.func_type(ty.clone()).map_err(Refusal::internal)?;
        section.ty().func_type(&ty);
    }
    for shape in Shape::ALL {
        section
            .ty()
            .function(shape.params(), shape.results().to_vec());
    }
    Ok(section)
}

/// Type index of an added function.
fn added_type(survey: &Survey<'_>, shape: Shape) -> u32 {
    let types = u32::try_from(survey.types.len()).expect("limited by the validator");
    let position = Shape::ALL
        .iter()
        .position(|&one| one == shape)
        .expect("all are listed");
    types + u32::try_from(position).expect("a handful")
}

fn imports(survey: &Survey<'_>) -> we::ImportSection {
    let mut section = we::ImportSection::new();
    for (import, &ty) in survey.imports.iter().zip(&survey.functions) {
        section.import(import.module, import.name, we::EntityType::Function(ty));
    }
    for (name, shape) in IMPORTS {
        let ty = we::EntityType::Function(added_type(survey, shape));
        section.import(abi::runtime::MODULE, name, ty);
    }
    section
}

fn functions(survey: &Survey<'_>) -> we::FunctionSection {
    let mut section = we::FunctionSection::new();
    for &ty in &survey.functions[survey.imports.len()..] {
        section.function(ty);
    }
    for (_, shape) in FUNCTIONS {
        section.function(added_type(survey, shape));
    }
    section
}

fn tables(survey: &Survey<'_>, mover: &mut Mover, module: &mut we::Module) -> Result<(), Refusal> {
    let Some(reader) = survey.tables.clone() else {
        return Ok(());
    };
    let mut section = we::TableSection::new();
    mover
        .parse_table_section(&mut section, reader)
        .map_err(Refusal::internal)?;
    module.section(&section);
    Ok(())
}

fn memories(survey: &Survey<'_>) -> we::MemorySection {
    let memory = |minimum, maximum| we::MemoryType {
        minimum,
        maximum,
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    let mut section = we::MemorySection::new();
    section.memory(memory(
        survey.memories[0].initial,
        survey.memories[0].maximum,
    ));
    section.memory(memory(TABLE_PAGES_64K, Some(TABLE_PAGES_64K)));
    section
}

fn globals(
    survey: &Survey<'_>,
    stack: Option<&StackInfo>,
    mover: &mut Mover,
    module: &mut we::Module,
) -> Result<(), Refusal> {
    let Some(reader) = survey.globals.clone() else {
        return Ok(());
    };
    let mut section = we::GlobalSection::new();
    for (index, global) in (0u32..).zip(reader) {
        let global = global?;
        let ty = mover.global_type(global.ty).map_err(Refusal::internal)?;
        let value = match stack.filter(|stack| stack.global == index) {
            Some(stack) => we::ConstExpr::i32_const(stack.initial.cast_signed()),
            None => mover
                .const_expr(global.init_expr)
                .map_err(Refusal::internal)?,
        };
        section.global(ty, &value);
    }
    module.section(&section);
    Ok(())
}

fn exports(survey: &Survey<'_>, mover: &mut Mover) -> Result<we::ExportSection, Refusal> {
    let mut section = we::ExportSection::new();
    for &export in &survey.exports {
        mover
            .parse_export(&mut section, export)
            .map_err(Refusal::internal)?;
    }
    section.export(abi::runtime::MEMORY, we::ExportKind::Memory, 0);
    section.export(abi::runtime::BARRIER_TABLE, we::ExportKind::Memory, TABLE);
    for global in &survey.mutable_globals {
        let name = format!("{}{}", abi::runtime::GLOBAL_PREFIX, global.index);
        section.export(&name, we::ExportKind::Global, global.index);
    }
    if let Some(start) = survey.start {
        section.export(
            abi::runtime::START,
            we::ExportKind::Func,
            mover.0.moved(start),
        );
    }
    Ok(section)
}

fn elements(
    survey: &Survey<'_>,
    mover: &mut Mover,
    module: &mut we::Module,
) -> Result<(), Refusal> {
    let Some(reader) = survey.elements.clone() else {
        return Ok(());
    };
    let mut section = we::ElementSection::new();
    mover
        .parse_element_section(&mut section, reader)
        .map_err(Refusal::internal)?;
    module.section(&section);
    Ok(())
}

/// The code, and before it the hint that guards are seldom taken.
fn code(bodies: &[Rewritten], indices: Indices, module: &mut we::Module) {
    let mut section = we::CodeSection::new();
    let mut hints = we::BranchHints::new();
    let first = indices.first_defined();
    for (index, body) in (first..).zip(bodies) {
        if !body.hints.is_empty() {
            hints.function_hints(index, body.hints.iter().copied());
        }
        section.function(&body.function);
    }
    for function in indices.bodies() {
        section.function(&function);
    }
    if !hints.is_empty() {
        module.section(&hints);
    }
    module.section(&section);
}

fn names(survey: &Survey<'_>, indices: Indices) -> we::NameSection {
    let total = survey.functions.len();
    let known = survey
        .function_names
        .iter()
        .filter(|(index, _)| (**index as usize) < total);
    let mut all: Vec<_> = known
        .map(|(&index, name)| (indices.moved(index), name.clone()))
        .collect();
    all.extend(indices.names());
    all.sort_unstable();
    let mut map = we::NameMap::new();
    for (index, name) in all {
        map.append(index, &name);
    }
    let mut section = we::NameSection::new();
    section.functions(&map);
    section
}

fn info(survey: &Survey<'_>, stack: Option<StackInfo>) -> ModuleInfo {
    let pages = |count: u64| u32::try_from(count).expect("32-bit memories are that small");
    let pointer = stack.as_ref().map(|stack| stack.global);
    let functions = survey
        .exports
        .iter()
        .filter(|one| one.kind == wp::ExternalKind::Func);
    let mut globals = survey.mutable_globals.clone();
    globals.retain(|global| Some(global.index) != pointer);
    ModuleInfo {
        memory_min_pages_64k: pages(survey.memories[0].initial),
        memory_max_pages_64k: survey.memories[0].maximum.map(pages),
        globals,
        stack,
        exports: functions
            .map(|export| Export {
                name: export.name.to_owned(),
                signature: accept::signature(survey.function_type(export.index)),
            })
            .collect(),
        has_start: survey.start.is_some(),
        devices: survey.devices.clone(),
    }
}
