#pragma once
// Who sits where: node-local ranks, devices, threads, and the transport that follows from them.
#include <c10/core/Device.h>
#include <mpi.h>

#include <string>
#include <vector>

namespace ddls::dist {

enum class Transport { mpi, nccl, staged };  // CPU tensors over MPI; CUDA over NCCL; CUDA through host memory over MPI
const char* name_of(Transport transport);

struct RankPlace {
  int rank = 0, local_rank = 0;
  std::string host, device;  // "cpu", "cuda:1 NVIDIA H200 0000:1b:00.0"
  std::string gpu;           // "NVIDIA H200"; empty on the CPU
  int threads = 1;
};

struct Topology {
  int rank = 0, ranks = 1, local_rank = 0, local_ranks = 1;
  c10::Device device{c10::DeviceType::CPU};
  Transport transport = Transport::mpi;
  int threads = 1;
  std::vector<RankPlace> places;  // of all ranks, on every rank

  std::string table() const;       // the start-up table
  std::string gpu_models() const;  // of all ranks, each once, in the order of the alphabet; empty on the CPU
};

// **Collective.** `wanted` is auto, cpu or cuda. Chooses the device (placement.hpp: different GPUs on a node as far as
// there are), sets it current, binds this rank to the cores beside it where the launcher bound it to nothing, detects
// ranks that share a GPU (PCI bus id) and takes the staged transport with a warning then. `threads` 0: 1 for CPU ranks,
// so that bytes do not depend on how many cores are free, and a GPU rank's share of the cores that it may run on;
// at::set_num_threads is called. Throws Error(config) if cuda is wanted and there is none, or if only some ranks have a
// GPU; CPUs where auto finds none, with a warning where a driver is there.
Topology find_topology(MPI_Comm comm, const std::string& wanted, int threads = 0);

}  // namespace ddls::dist
