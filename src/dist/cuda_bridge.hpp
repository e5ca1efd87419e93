#pragma once
// The few things this program asks of CUDA besides tensors. cuda_bridge.cpp (built with the CUDA toolkit) is the only
// file that includes c10/cuda; cuda_bridge_none.cpp answers where the toolkit is missing: tensors on a GPU still work
// there, through the wheel's own libraries, but collectives go through host memory.
#include <string>

namespace ddls::cuda {

struct Devices {
  int count = 0;
  std::string problem;  // why there is none, in the driver's words; empty where there is nothing to say
};

Devices devices();                          // visible to this process
std::string device_name(int device);        // "NVIDIA H200"
std::string device_pci_bus_id(int device);  // "0000:1B:00.0": tells whether two ranks share a GPU; empty if unknown
void set_device(int device);                // for the calling thread
bool has_nccl();                            // built with NCCL

// The stream that Torch launches on in the calling thread: a cudaStream_t.
void* current_stream(int device);

}  // namespace ddls::cuda
