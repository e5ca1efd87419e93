// Data-parallel LibTorch over MPI (NCCL on GPUs): a perceptron learns y = sum(x^2) on any number of ranks, and prints
// the same digest of its weights at each. docs/data_parallel.md explains it.
#include <ATen/ATen.h>
#include <torch/nn/module.h>

#include <cstdio>

#include "dist/communicator.hpp"
#include "dist/environment.hpp"
#include "dist/gradient_reducer.hpp"
#include "tensor/adam.hpp"
#include "tensor/noise.hpp"

using namespace ddls;

struct Perceptron : torch::nn::Module {
  at::Tensor w1, b1, w2;
  Perceptron() {
    const tensor::Noise noise{1};  // a function of seed and id: the same on every rank without communication
    w1 = register_parameter("w1", noise.normal({0, 64}, 8, 0, Stream::init) / 3);
    b1 = register_parameter("b1", at::zeros({64}));
    w2 = register_parameter("w2", noise.normal({64, 65}, 64, 0, Stream::init).flatten() / 8);
  }
  at::Tensor forward(const at::Tensor& x) { return (at::matmul(x, w1.t()) + b1).relu().matmul(w2); }
};

int train(dist::Environment&) {
  dist::Communicator comm(MPI_COMM_WORLD, dist::find_topology(MPI_COMM_WORLD, "auto"));
  const c10::Device device = comm.topology().device;
  Perceptron model;
  model.to(device);
  tensor::FlatParameters flat(model);  // one buffer of values, one of gradients; the parameters are views into them
  dist::GradientReducer reducer(flat, comm);  // exact: the same bits at any rank count. Overlapped: {.exact = false}
  config::AdamConfig options;
  options.lr = 0.01;
  tensor::Adam adam(options, flat.values());

  constexpr int64_t shards = 12, rows = 16;  // a step's batch: whole shards are dealt to the ranks
  for (int64_t step = 0; step < 200; ++step) {
    reducer.begin();  // zeroes the gradient
    for (const Block& shard : BlockPlan{shards * rows, rows}.blocks_of(comm.rank(), comm.ranks())) {
      const at::Tensor x = tensor::Noise{2}.normal(shard.ids, 8, step, Stream::data_toy).to(device);
      const at::Tensor loss = (model.forward(x) - x.square().sum(1)).square().mean();
      loss.backward();
      reducer.add_shard();
      reducer.add_scalars(loss.detach().to(at::kDouble).view({1}));  // rides along with the gradient
    }
    reducer.finish(shards);  // the mean over all shards of all ranks
    adam.step(flat.values(), flat.gradients(), options.lr);
    if (comm.root() && step % 50 == 49)
      std::printf("step %3d  loss %.4f\n", static_cast<int>(step + 1), reducer.scalars()[0] / shards);
  }
  comm.require_same(flat.digest(), "the weights");
  if (comm.root()) std::printf("weights %016llx\n", static_cast<unsigned long long>(flat.digest()));
  return 0;
}

int main(int argc, char** argv) { return dist::run_job(argc, argv, train); }
