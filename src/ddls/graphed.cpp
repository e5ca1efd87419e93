#include "ddls/graphed.hpp"

#include "base/error.hpp"
#include "device/cuda_bridge.hpp"
#include "device/cuda_graph.hpp"

namespace ddls::sampling {

Target graphed(Target target) {
  if (target.device.is_cpu()) return target;
  if (!device::built_with_cuda()) fail(Exit::config, "sample.cuda_graph: this program was built without CUDA");
  using Tensors = device::CudaGraph::Tensors;
  const auto graph = std::make_shared<device::CudaGraph>([evaluate = target.evaluate_by](const Tensors& in) -> Tensors {
    const Evaluation e = evaluate(in[0], in.size() > 1 ? in[1] : at::Tensor());
    return {e.log_prior, e.log_ratio, e.grad_log_ratio};
  });
  target.evaluate_by = [graph](const at::Tensor& z, const at::Tensor& labels) {
    const Tensors out = (*graph)(labels.defined() ? Tensors{z, labels} : Tensors{z});
    return Evaluation{out[0], out[1], out[2]};
  };
  return target;
}

}  // namespace ddls::sampling
