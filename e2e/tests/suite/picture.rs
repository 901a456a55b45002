//! A picture is right whatever dies while it is made, and stays right afterwards.
use admin::ProcessState;
use e2e::{Machine, eventually};
use raytracer_core::{blob_header, parse};

/// Enough to do for a node to die on the way.
pub(crate) fn scene() -> String {
    let tiny = include_str!("../../../guest/examples/raytracer/scenes/tiny.scene");
    tiny.replace("image 48 30", "image 240 160")
        .replace("samples 4", "samples 16")
}

/// The picture without any cluster.
pub(crate) fn native(text: &str) -> Vec<u8> {
    let scene = parse(text).unwrap();
    let rows = (0..scene.height()).flat_map(|row| scene.render_row(row));
    blob_header(&scene).into_iter().chain(rows).collect()
}

/// Renders to the end; returns the number of the process.
pub(crate) fn render(machine: &mut Machine, text: &str) -> u32 {
    let (input, result) = (machine.write("a.scene", text), machine.file("picture"));
    let line = ["run", "raytracer", "--input", &input, "--result", &result];
    let _ = machine.run(&line).ok();
    assert!(std::fs::read(result).unwrap() == native(text));
    newest(machine, "raytracer")
}

pub(crate) fn newest(machine: &Machine, program: &str) -> u32 {
    let all = machine.client().processes().unwrap();
    let ours = all.iter().filter(|one| one.program == program);
    ours.map(|one| one.process).max().unwrap()
}

#[test]
fn a_picture_survives_a_node_and_then_all_of_them() {
    survives("picture", |_| 3);
}

#[test]
fn a_picture_survives_the_leader_and_then_all_nodes() {
    survives("picture-leader", |machine| machine.leader().0);
}

fn survives(name: &str, victim: impl FnOnce(&Machine) -> u32) {
    let mut machine = Machine::with_cluster(name);
    machine.check_bank();
    let text = scene();
    let (input, result) = (machine.write("a.scene", &text), machine.file("picture"));
    let line = ["run", "raytracer", "--input", &input, "--result", &result];
    let run = machine.start(&line);
    eventually("some of the picture", || {
        let all = machine.client().processes().ok()?;
        let one = all.iter().find(|one| one.program == "raytracer")?;
        assert!(!one.state.is_final(), "it is too small to be interrupted");
        (one.done > 0).then_some(())
    });
    let victim = victim(&machine).to_string();
    let _ = machine.run(&["kill", &victim]).ok();
    let _ = run.wait().ok();
    let expected = native(&text);
    assert!(std::fs::read(&result).unwrap() == expected);

    let process = newest(&machine, "raytracer");
    machine.kill_all();
    machine.up(&[]);
    assert!(machine.client().result(process).unwrap() == expected);
    let all = machine.client().processes().unwrap();
    let state = all.iter().find(|one| one.process == process).unwrap().state;
    assert!(matches!(state, ProcessState::Done(_)), "{state}");
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
    machine.check_bank();
}
