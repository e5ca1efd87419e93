#pragma once
// A function of tensors whose kernels are recorded once for each set of input shapes and then replayed: one launch in
// place of hundreds. Exists only where built_with_cuda().
#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace ddls::device {

class CudaGraph {
 public:
  using Tensors = std::vector<at::Tensor>;
  using Function = std::function<Tensors(const Tensors&)>;

  // `function` may only launch work on the device: no value copied to the host, no shape that depends on values. Its
  // inputs and results are dense tensors of one GPU.
  explicit CudaGraph(Function function);
  ~CudaGraph();
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  // Results have memory of their own. The first call of a shape runs `function` a few times, so that libraries choose
  // their algorithms and take their memory, and then records it. Throws Error(config) where that cannot be done.
  Tensors operator()(const Tensors& inputs);

 private:
  struct Recording;
  std::unique_ptr<Recording> record(const Tensors& inputs);
  Function function_;
  std::map<std::vector<int64_t>, std::unique_ptr<Recording>> recordings_;  // by the sizes of all inputs
};

}  // namespace ddls::device
