//! What a built module must be like to run everywhere.
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use wasmparser::{
    ConstExpr, Data, DataKind, ExternalKind, Operator, Parser, Payload, TypeRef, ValType,
};

/// Modules are committed: they stay small.
const BYTES_MAX: usize = 256 << 10;

/// Checks that the module is valid, imports only calls of the ABI, and has the layout in
/// which its stack is private to a node: from address 0, statics above.
pub(crate) fn verify(path: &Path) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    check(&bytes).with_context(|| format!("check {}", path.display()))
}

fn check(bytes: &[u8]) -> Result<()> {
    ensure!(
        bytes.len() <= BYTES_MAX,
        "{} bytes: expected at most {BYTES_MAX}",
        bytes.len()
    );
    wasmparser::validate(bytes).context("validate the module")?;
    let (mut stack, mut globals, mut lowest) = (None, Vec::new(), u32::MAX);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    check_import(import.module, import.name, import.ty)?;
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let global = global?;
                    let wanted = global.ty.mutable && global.ty.content_type == ValType::I32;
                    globals.push(if wanted {
                        constant(&global.init_expr)?
                    } else {
                        None
                    });
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if export.name == "__stack_pointer" && export.kind == ExternalKind::Global {
                        stack = globals.get(export.index as usize).copied().flatten();
                    }
                }
            }
            Payload::DataSection(section) => {
                for data in section {
                    lowest = lowest.min(data_start(&data?)?);
                }
            }
            _ => {}
        }
    }
    let stack = stack.context("expected an exported `__stack_pointer`")?;
    ensure!(
        lowest >= stack,
        "data at {lowest}: expected none below the stack's top, {stack}"
    );
    Ok(())
}

fn check_import(module: &str, name: &str, kind: TypeRef) -> Result<()> {
    let known = abi::IMPORTS.iter().any(|import| import.name == name);
    if module != abi::MODULE || !known || !matches!(kind, TypeRef::Func(_)) {
        bail!("import of `{module}.{name}`: expected a call of the ABI");
    }
    Ok(())
}

fn data_start(data: &Data<'_>) -> Result<u32> {
    match &data.kind {
        DataKind::Active { offset_expr, .. } => {
            constant(offset_expr)?.context("expected a constant address of data")
        }
        DataKind::Passive => bail!("passive data: expected none"),
    }
}

fn constant(expression: &ConstExpr<'_>) -> Result<Option<u32>> {
    Ok(match expression.get_operators_reader().read()? {
        Operator::I32Const { value } => Some(value.cast_unsigned()),
        _ => None,
    })
}
