//! Who may import whom, read off `cargo metadata`.
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run;

/// External crates that `protocol/` may use: no IO, no clock, no threads.
const PROTOCOL_MAY_USE: &[&str] = &["serde", "postcard", "crc32fast", "noraft"];
/// Rooms that never import one another.
const WORLDS: &[&str] = &["host", "metal", "sim"];
/// It runs a step over a view, whoever commits it.
const ENGINE_MAY_NOT_KNOW: &[&str] = &["dtm", "kernel", "node"];

/// What cargo knows of the workspace of this manifest.
pub(crate) fn metadata(manifest: &str) -> Result<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--manifest-path",
            manifest,
        ])
        .current_dir(run::root())
        .output()
        .context("run cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata failed");
    serde_json::from_slice(&output.stdout).context("parse cargo metadata")
}

pub(crate) fn check(workspaces: &[Value]) -> Vec<String> {
    let root = run::root();
    let packages: Vec<&Value> = workspaces.iter().flat_map(members).collect();
    let room_of = |name: &str| {
        let package = packages.iter().find(|package| package["name"] == name)?;
        room(&root, package)
    };
    let mut violations = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(own_room) = room(&root, package) else {
            continue;
        };
        for dependency in dependencies(package) {
            let target = room_of(&dependency);
            if let Some(rule) = broken_rule(&own_room, name, &dependency, target.as_deref()) {
                violations.push(format!("{name} imports {dependency}: {rule}"));
            }
        }
    }
    violations
}

fn broken_rule(room: &str, name: &str, dependency: &str, target: Option<&str>) -> Option<String> {
    if name == "model" && dependency != "stateright" {
        return Some("a model shares nothing with what it models".into());
    }
    if dependency == "model" {
        return Some("models are never shipped".into());
    }
    if name != "model"
        && room == "protocol"
        && target != Some("protocol")
        && !PROTOCOL_MAY_USE.contains(&dependency)
    {
        return Some("protocol/ imports nothing outside protocol/".into());
    }
    if name == "oracle" && target.is_some() && dependency != "types" {
        return Some("the oracle shares only `types` with what it judges".into());
    }
    if name == "engine" && ENGINE_MAY_NOT_KNOW.contains(&dependency) {
        return Some("the engine declares what it needs; the node implements it".into());
    }
    let target = target?;
    if room == "node" && !["protocol", "node", "guest"].contains(&target) {
        return Some("node/ runs in every world and knows none".into());
    }
    if WORLDS.contains(&room) && WORLDS.contains(&target) && room != target {
        return Some("worlds never import one another".into());
    }
    None
}

pub(crate) fn members(metadata: &Value) -> Vec<&Value> {
    let ids = metadata["workspace_members"].as_array();
    let ids: Vec<&Value> = ids.into_iter().flatten().collect();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|package| ids.contains(&&package["id"]))
        .collect()
}

/// Dependencies of the product itself: a test may use whatever helps it.
fn dependencies(package: &Value) -> Vec<String> {
    let all = package["dependencies"].as_array().into_iter().flatten();
    all.filter(|dependency| dependency["kind"] != "dev")
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect()
}

fn room(root: &Path, package: &Value) -> Option<String> {
    let manifest = Path::new(package["manifest_path"].as_str()?);
    let relative = manifest.strip_prefix(root).ok()?;
    Some(
        relative
            .components()
            .next()?
            .as_os_str()
            .to_string_lossy()
            .into_owned(),
    )
}
