//! The device that computes, and its hardware.

use std::path::PathBuf;

use tch::Cuda;
pub use tch::Device;

use crate::{Error, Result, shim};

/// Selects a device by `auto`, `cpu`, `cuda` or `cuda:N`, as on the command line.
///
/// One binary serves both: it is linked against the CPU part of libtorch only, and `libtorch_cuda.so`, where the loaded
/// `libtorch_cpu.so` has it beside it, is loaded before the first question about devices.
///
/// # Errors
/// An unknown word, or a CUDA device that is not there.
pub fn select(choice: &str) -> Result<Device> {
    if choice == "cpu" {
        return Ok(Device::Cpu);
    }
    let loaded = cuda_library::load_beside_libtorch_cpu();
    let count = if Cuda::is_available() { Cuda::device_count() } else { 0 };
    if choice == "auto" {
        return Ok(if count > 0 { Device::Cuda(0) } else { Device::Cpu });
    }
    let index = match choice.strip_prefix("cuda") {
        Some("") => Some(0),
        Some(rest) => rest.strip_prefix(':').and_then(|n| n.parse::<usize>().ok()),
        None => None,
    };
    let Some(index) = index else {
        return Err(Error::Device(format!("--device {choice}: expected auto, cpu, cuda or cuda:N")));
    };
    if (index as i64) < count {
        return Ok(Device::Cuda(index));
    }
    let reason = match (count, loaded) {
        (0, Ok(())) => "no CUDA device is visible (check nvidia-smi and CUDA_VISIBLE_DEVICES)".to_owned(),
        (0, Err(reason)) => reason,
        (n, _) => format!("only {n} CUDA device(s) are visible"),
    };
    Err(Error::Device(format!("--device {choice}: {reason}; use --device cpu to run without a GPU")))
}

/// Waits until `device` has finished its work, so that a clock that is read afterwards tells the truth.
pub fn synchronize(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}

/// Describes the hardware in one line for the log: `cpu AMD EPYC threads:2` or `cuda:0 NVIDIA H200`.
pub fn describe(device: Device) -> String {
    match device {
        Device::Cuda(index) => {
            let name = nvidia_name(index).unwrap_or_else(|| "unknown GPU".to_owned());
            format!("cuda:{index} {name}")
        }
        _ => {
            let unused = unused_gpu().map_or_else(String::new, |(gpu, why)| format!(" ({gpu} is not used: {why})"));
            format!("cpu {} threads:{}{unused}", cpu_name(), crate::parallel::workers(device))
        }
    }
}

/// Returns a GPU that the driver lists and libtorch does not offer, with the reason: a run on the CPU beside it must
/// not look intended. `None` where there is no GPU, or where CUDA works and the CPU was asked for.
pub fn unused_gpu() -> Option<(String, String)> {
    let gpu = nvidia_name(0)?;
    let why = match cuda_library::load_beside_libtorch_cpu() {
        Err(reason) => reason,
        Ok(()) if !Cuda::is_available() => {
            "libtorch's CUDA part is loaded, but CUDA does not start; check nvidia-smi, CUDA_VISIBLE_DEVICES and the driver's \
             version"
                .to_owned()
        }
        Ok(()) => return None,
    };
    Some((gpu, why))
}

fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, n)| n.trim()));
    name.unwrap_or(std::env::consts::ARCH).to_owned()
}

/// Reads the driver's own list, which has one folder per GPU, so that no other program is started for a name.
fn nvidia_name(index: usize) -> Option<String> {
    let mut gpus: Vec<PathBuf> =
        std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?.filter_map(|e| Some(e.ok()?.path())).collect();
    gpus.sort();
    let info = std::fs::read_to_string(gpus.get(index)?.join("information")).ok()?;
    info.lines().find_map(|line| line.strip_prefix("Model:").map(|name| name.trim().to_owned()))
}

/// Writes the log's line on the most memory that was held so far: a GPU's, as the field logs it, or the host's.
pub fn peak_memory(device: Device) -> String {
    const MIB: u64 = 1 << 20;
    let gpu = match device {
        Device::Cuda(index) => shim::memory_stats(index),
        _ => None,
    };
    match gpu {
        Some(stats) => format!(
            "peak memory allocated: {} MiB reserved: {} MiB",
            stats.peak_allocated / MIB,
            stats.peak_reserved / MIB
        ),
        None => format!("peak host memory: {} MiB", peak_rss_mib()),
    }
}

/// Highest resident memory of this process so far, in MiB.
fn peak_rss_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// The one place that loads a library by hand.
#[allow(unsafe_code)]
mod cuda_library {
    use std::path::PathBuf;
    use std::sync::OnceLock;

    /// Loads `libtorch_cuda.so` from the folder of the `libtorch_cpu.so` this process uses, with global symbols, once.
    pub fn load_beside_libtorch_cpu() -> Result<(), String> {
        static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
        LOADED.get_or_init(load).clone()
    }

    #[cfg(target_os = "linux")]
    fn load() -> Result<(), String> {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        let path = folder_of_libtorch_cpu().ok_or("this libtorch has no CUDA part")?.join("libtorch_cuda.so");
        if !path.exists() {
            return Err("this libtorch has no CUDA part (put the lib folder of a CUDA build of torch 2.11.0 first in \
                        LD_LIBRARY_PATH)"
                .to_owned());
        }
        // SAFETY: the library is libtorch's own other half, built together with the libtorch_cpu.so that this process has
        // mapped already; its initialisers only register CUDA kernels with the dispatcher. It is never unloaded.
        match unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) } {
            Ok(library) => {
                std::mem::forget(library);
                Ok(())
            }
            Err(error) => Err(format!("{} cannot be loaded: {error}", path.display())),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn load() -> Result<(), String> {
        Err("CUDA is supported on Linux only".to_owned())
    }

    #[cfg(target_os = "linux")]
    fn folder_of_libtorch_cpu() -> Option<PathBuf> {
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        let path = maps
            .lines()
            .filter_map(|line| line.find('/').map(|at| &line[at..]))
            .find(|p| p.ends_with("/libtorch_cpu.so"))?;
        PathBuf::from(path).parent().map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_refused_with_the_way_out() {
        for choice in ["cuda:97", "tpu", "cuda:x"] {
            let error = select(choice).unwrap_err().to_string();
            assert!(error.contains(choice), "{error}");
        }
        assert_eq!(select("cpu").unwrap(), Device::Cpu);
    }
}
