//! Judges the table of hosts: how soon all know all, how old news is, how soon a death is
//! noticed, how often one is suspected that did not happen, and what all that costs.

mod load;
mod network;
mod trial;

use trial::{Figures, Size};

/// Prints the table of `docs/host-table.md`. `--quick` leaves out the larger clusters.
pub fn run(args: &[String]) {
    let quick = args.iter().any(|arg| arg == "--quick");
    let only: Option<usize> = args.iter().find_map(|arg| arg.strip_prefix("--hosts=")?.parse().ok());
    let sizes = Size::all().filter(|size| match only {
        Some(hosts) => size.hosts == hosts,
        None => !quick || size.hosts <= 100,
    });
    let figures: Vec<Figures> = sizes.map(|size| trial::run(&size)).collect();
    print(&figures);
}

fn print(figures: &[Figures]) {
    print!("{:<58}", "hosts");
    for column in figures {
        print!("{:>12}", column.hosts);
    }
    println!();
    let names: Vec<&str> = figures.first().into_iter().flat_map(|column| &column.rows).map(|(name, _)| *name).collect();
    for (row, name) in names.iter().enumerate() {
        print!("{name:<58}");
        for column in figures {
            print!("{:>12}", column.rows[row].1);
        }
        println!();
    }
}
