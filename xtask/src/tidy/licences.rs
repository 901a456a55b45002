//! Every crate that is linked in may be used in a product under MIT OR Apache-2.0.
use serde_json::Value;

const ACCEPTED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unlicense",
    "Unicode-3.0",
    "CC0-1.0",
    // Mozilla's root certificates, which are data, and only built for Android.
    "CDLA-Permissive-2.0",
];

/// Crates that name their licence in a file only, read by a person.
const READ: &[(&str, &str)] = &[("fuchsia-cprng", "BSD-3-Clause")];

pub(crate) fn check(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|package| {
            let name = package["name"].as_str().unwrap_or_default();
            let read = READ
                .iter()
                .find(|(read, _)| *read == name)
                .map(|(_, licence)| *licence);
            !is_accepted(package["license"].as_str().or(read).unwrap_or_default())
        })
        .map(|package| {
            let licence = &package["license"];
            format!(
                "{}: licence {licence}, expected one of {ACCEPTED:?}",
                package["name"]
            )
        })
        .collect()
}

/// `A OR B` is accepted if one is, `A AND B` if both are.
fn is_accepted(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], "").replace('/', " OR ");
    expression
        .split(" AND ")
        .all(|all| all.split(" OR ").any(|one| ACCEPTED.contains(&one.trim())))
}
