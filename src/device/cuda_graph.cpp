#include "device/cuda_graph.hpp"

#include <ATen/ATen.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ddls::device {

// The graph reads `inputs` and writes `outputs`: their memory is the graph's own.
struct CudaGraph::Recording {
  at::cuda::CUDAGraph graph;
  Tensors inputs, outputs;
};

CudaGraph::CudaGraph(Function function) : function_(std::move(function)) {}
CudaGraph::~CudaGraph() = default;

namespace {

std::string what_went_wrong() {
  try {
    throw;
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  } catch (const std::exception& error) {
    return error.what();
  }
}

// A recording that failed stays open otherwise, and whatever the stack then does with CUDA as it unwinds fails for that
// alone.
void end_failed(at::cuda::CUDAGraph& graph) {
  try {
    graph.capture_end();
  } catch (const std::exception& error) {
    log::debug("ending the CUDA graph that failed: {}", error.what());
  }
  static_cast<void>(cudaGetLastError());
}

}  // namespace

std::unique_ptr<CudaGraph::Recording> CudaGraph::record(const Tensors& inputs) {
  auto fresh = std::make_unique<Recording>();
  for (const at::Tensor& input : inputs) fresh->inputs.push_back(input.clone(at::MemoryFormat::Contiguous));
  c10::cuda::device_synchronize();
  // Not on the default stream, which cannot be recorded.
  const c10::cuda::CUDAStreamGuard on_side(c10::cuda::getStreamFromPool(false, inputs.front().device().index()));
  constexpr int warm_ups = 3;
  for (int i = 0; i < warm_ups; ++i) function_(fresh->inputs);
  c10::cuda::device_synchronize();
  c10::cuda::CUDACachingAllocator::emptyCache();  // what the warm-ups held: a recording cannot take it back
  bool begun = false;
  try {
    // Of this thread alone: others (NCCL's watchdog) may go on asking for events meanwhile.
    fresh->graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    begun = true;
    fresh->outputs = function_(fresh->inputs);
    begun = false;
    fresh->graph.capture_end();
  } catch (const c10::OutOfMemoryError&) {
    if (begun) end_failed(fresh->graph);
    throw;
  } catch (...) {
    const std::string why = what_went_wrong();
    if (begun) end_failed(fresh->graph);
    fail(Exit::config, "a CUDA graph of these networks cannot be recorded (set sample.cuda_graph: false): {}", why);
  }
  return fresh;
}

CudaGraph::Tensors CudaGraph::operator()(const Tensors& inputs) {
  std::vector<int64_t> sizes;
  for (const at::Tensor& input : inputs) sizes.insert(sizes.end(), input.sizes().begin(), input.sizes().end());
  std::unique_ptr<Recording>& recording = recordings_[sizes];
  if (!recording) recording = record(inputs);
  for (size_t i = 0; i < inputs.size(); ++i) recording->inputs[i].copy_(inputs[i]);
  recording->graph.replay();
  Tensors results;
  for (const at::Tensor& output : recording->outputs) results.push_back(output.clone());
  return results;
}

}  // namespace ddls::device
