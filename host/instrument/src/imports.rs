//! Which functions a module may import.
use abi::Type;

use crate::refusal::Refusal;
use crate::survey::Survey;
use crate::{Signature, ValueType, accept};

/// The functions of WASI preview 1. The host offers some and answers "not supported"
/// for the rest, which is what the programs that import them expect; their types are
/// checked when the module is linked.
const WASI: &[&str] = &[
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// Refuses imports that no host offers, and known ones of another type.
pub(crate) fn check(survey: &Survey<'_>) -> Result<(), Refusal> {
    for (index, import) in (0u32..).zip(&survey.imports) {
        let (module, name) = (import.module.to_owned(), import.name.to_owned());
        if module == abi::WASI_MODULE && WASI.contains(&import.name) {
            continue;
        }
        let known = abi::IMPORTS.iter().find(|known| known.name == import.name);
        let Some(known) = known.filter(|_| module == abi::MODULE) else {
            return Err(Refusal::UnknownImport { module, name });
        };
        let seen = accept::signature(survey.function_type(index));
        let expected = signature(known);
        if seen != expected {
            let (seen, expected) = (seen.to_string(), expected.to_string());
            return Err(Refusal::ImportType {
                module,
                name,
                seen,
                expected,
            });
        }
    }
    Ok(())
}

fn signature(import: &abi::Import) -> Signature {
    let value = |ty: &Type| match ty {
        Type::I32 => ValueType::I32,
        Type::I64 => ValueType::I64,
    };
    Signature {
        params: import.params.iter().map(value).collect(),
        results: import.result.iter().map(value).collect(),
    }
}
