#include "app/abilities.hpp"

#include "base/error.hpp"
#include "device/cuda_bridge.hpp"
#include "dist/nccl_channel.hpp"
#include "inference/processor.hpp"

namespace ddls::app {
namespace {

std::string why_no_gpu(const dist::Topology& topology) {
  const device::Devices found = device::devices();
  if (found.count > 0 && topology.device.is_cpu()) return "CPUs were chosen";
  return found.problem.empty() ? "no GPU is visible" : "no GPU: " + found.problem;
}

Ability nccl(const dist::Topology& topology, const std::string& no_gpu) {
  if (!device::built_with_cuda()) return {"nccl", false, "this program was built without CUDA"};
  if (!no_gpu.empty()) return {"nccl", false, no_gpu};
  if (topology.ranks > 1 && topology.transport == dist::Transport::staged)
    return {"nccl", false, "ranks share a GPU, which NCCL refuses"};
  return {"nccl", true, dist::nccl_version()};
}

Ability graphs(const std::string& no_gpu) {
  if (!device::built_with_cuda()) return {"cuda_graph", false, "this program was built without CUDA"};
  return {"cuda_graph", no_gpu.empty(), no_gpu};
}

Ability kernels(const dist::Topology& topology, const std::string& no_gpu) {
  const std::string name = "noise_on_gpu";
  if (!device::built_with_cuda()) return {name, false, "this program was built without CUDA: the CPU makes it"};
  try {
    if (no_gpu.empty()) return {name, true, device::prepare_kernels(topology.device.index())};
    return {name, false, fmt::format("{} ({} compiles its kernels)", no_gpu, device::try_kernels())};
  } catch (const Error& error) {
    return {name, false, error.what()};
  }
}

constexpr int ampere = 80;  // the first with TF32 and bfloat16 in its tensor cores

Ability tf32(const dist::Topology& topology) {
  if (topology.device.is_cpu()) return {"tf32", false, "on a CPU it is float32"};
  const int capability = device::compute_capability(topology.device.index());
  if (capability > 0 && capability < ampere) return {"tf32", false, "this GPU has none: it is float32"};
  return {"tf32", true, ""};
}

Ability bfloat16(const dist::Topology& topology) {
  if (topology.device.is_cpu()) {
    const bool fast = inference::multiplies_bfloat16_pairs() || inference::multiplies_bfloat16_tiles();
    return {"bfloat16", true,
            fast ? "" : "slow: this processor has no instructions for it, or ONEDNN_MAX_CPU_ISA leaves none"};
  }
  const int capability = device::compute_capability(topology.device.index());
  return {"bfloat16", true, capability > 0 && capability < ampere ? "slow: this GPU has no units for it" : ""};
}

}  // namespace

std::vector<Ability> abilities(const dist::Topology& topology) {
  const std::string no_gpu = topology.device.is_cpu() ? why_no_gpu(topology) : "";
  return {{"mpi", true, ""}, nccl(topology, no_gpu),    {"staged", no_gpu.empty(), no_gpu},
          graphs(no_gpu),    kernels(topology, no_gpu), {"float32", true, ""},
          tf32(topology),    bfloat16(topology)};
}

}  // namespace ddls::app
