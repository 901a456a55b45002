//! Prints what instrumentation costs.
#![expect(clippy::print_stdout, reason = "that is its purpose")]

fn main() {
    let report = bench::barrier();
    println!("{} on {}", report.bench, report.machine);
    for result in &report.results {
        println!("{:50} {:8.3} {}", result.name, result.value, result.unit);
    }
    for goal in &report.goals {
        println!(
            "goal: {} {:.3}, to be {:.3}: {}",
            goal.name, goal.value, goal.goal, goal.met
        );
    }
}
