// The fake GPU itself: what it refuses and counts.
#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <thread>

#include "base/error.hpp"
#include "device/cuda_bridge.hpp"
#include "device/cuda_graph.hpp"
#include "device/device_of.hpp"
#include "device/host_copy.hpp"
#include "fake_gpu/fake_gpu.hpp"

namespace ddls::fake_gpu {
namespace {

at::TensorOptions on(int device, at::ScalarType type = at::kFloat) {
  return at::TensorOptions(device::device_of(device)).dtype(type);
}

TEST(FakeGpu, HasTwoDevicesWithNames) {
  ASSERT_EQ(device_count(), 2) << "run it with DDLS_FAKE_GPUS=2";
  EXPECT_EQ(device::devices().count, 2);
  EXPECT_EQ(device::kind_of(device::device_of(1)), "fake");
  EXPECT_EQ(device::device_of(1).str(), "fake:1");
  EXPECT_NE(device::device_pci_bus_id(0), device::device_pci_bus_id(1));
  EXPECT_ANY_THROW(device::set_device(2));
  EXPECT_EQ(at::ones({2}, at::TensorOptions(kind)).device(), device::device_of(0));
}

TEST(FakeGpuDeathTest, TheHostMayNotTouchItsMemory) {
  const at::Tensor ones = at::ones({4}, on(0));
  float* const data = ones.data_ptr<float>();
  EXPECT_EXIT(std::printf("%f", static_cast<double>(data[1])), testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EXIT(data[1] = 2, testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EQ(ones.sum().item<float>(), 4);
}

TEST(FakeGpu, DevicesDoNotMix) {
  const at::Tensor here = at::ones({3}, on(0)), there = at::ones({3}, on(1)), host = at::ones({3});
  EXPECT_ANY_THROW(here + there);
  EXPECT_ANY_THROW(here + host);
  EXPECT_ANY_THROW(at::cat({here, host}));
  EXPECT_ANY_THROW(at::where(here > 0, here, host));
  EXPECT_ANY_THROW(at::mm(here.view({1, 3}), host.view({3, 1})));
  EXPECT_TRUE(at::equal((here + at::scalar_tensor(2.0F)).cpu(), at::full({3}, 3.0F)));  // a scalar may
  EXPECT_TRUE(at::equal((here.to(there.device()) + there).cpu(), at::full({3}, 2.0F)));
}

TEST(FakeGpu, OperatorsAreTheCpus) {
  const at::Tensor x = at::linspace(-1, 1, 2 * 3 * 8 * 8).view({2, 3, 8, 8});
  const at::Tensor weight = at::linspace(-0.5, 0.5, 4 * 3 * 9).view({4, 3, 3, 3});
  const auto gradients = [&](c10::Device device) {
    const at::Tensor image = x.to(device).requires_grad_(true), kernel = weight.to(device).requires_grad_(true);
    const at::Tensor bias = at::zeros({4}, kernel.options()).requires_grad_(true);
    const at::Tensor out = at::conv2d(image, kernel, bias, 1, 1).relu();
    const auto first = torch::autograd::grad({out.square().sum()}, {image, kernel, bias}, {}, true, true);
    const auto second = torch::autograd::grad({first[0].square().sum()}, {kernel});  // gradients of gradients
    return at::cat({first[0].flatten(), first[1].flatten(), first[2], second[0].flatten()}).detach().cpu();
  };
  EXPECT_TRUE(at::equal(gradients(device::device_of(0)), gradients(at::kCPU)));
  EXPECT_TRUE(at::isnan(at::empty({8}, on(0))).all().item<bool>());  // nobody wrote
}

TEST(FakeGpu, ViewsShareMemoryAndResultsTakeTheirSize) {
  const at::Tensor x = at::zeros({4, 6}, on(1));
  x.select(1, 2).fill_(1);
  x.unfold(1, 2, 2).select(1, 2).add_(1);
  x.t().diagonal().add_(4);
  EXPECT_EQ(x.sum().item<float>(), 4 + 8 + 16);
  at::Tensor out = at::empty({0}, on(1));
  at::add_out(out, x, x);
  EXPECT_EQ(out.sizes(), x.sizes());
  EXPECT_TRUE(at::equal(out, 2 * x));
  EXPECT_EQ(out.device(), device::device_of(1));
}

TEST(FakeGpu, BackwardRunsOnAThreadOfTheDevice) {
  at::Tensor x = at::ones({3}, on(1)).requires_grad_(true);
  std::thread::id thread;
  int device = -1;
  x.register_hook([&](const at::Tensor&) {
    thread = std::this_thread::get_id();
    device = current_device();
  });
  x.square().sum().backward();
  EXPECT_NE(thread, std::this_thread::get_id());
  EXPECT_EQ(device, 1);
}

TEST(FakeGpu, CountsWhatTheHostWaitsFor) {
  const at::Tensor x = at::ones({3}, on(0));
  const at::Tensor pinned = at::ones({3}, at::TensorOptions().pinned_memory(true));
  EXPECT_TRUE(pinned.is_pinned());
  const auto waits = [](const std::function<void()>& work) {
    const Watch watch;
    work();
    return watch.text();
  };
  EXPECT_EQ(waits([&] { at::conv1d(x.view({1, 1, 3}), x.view({1, 1, 3})).mul_(2).to(at::kDouble); }), "");
  EXPECT_EQ(waits([&] { pinned.to(x.device(), /*non_blocking=*/true); }), "");
  EXPECT_EQ(waits([&] { at::where(x > 0, x, at::zeros_like(x)).clamp(0, 1).softmax(0); }), "");
  EXPECT_EQ(waits([&] { x.sum().item<float>(); }), "1 x item");
  EXPECT_EQ(waits([&] { x.cpu(); }), "1 x pageable copy to the host");
  EXPECT_EQ(waits([&] { pinned.to(x.device()); }), "1 x copy from the host");
  EXPECT_EQ(waits([&] { at::tensor({1.0F, 2.0F}, x.options()); }), "1 x pageable copy from the host");
  EXPECT_EQ(waits([&] { at::equal(x, x); }), "1 x aten::equal");
  EXPECT_EQ(waits([&] { x.index({x > 0}); }), "1 x aten::nonzero");
  EXPECT_EQ(waits([&] { at::where(x > 0, x, at::scalar_tensor(0.0F)); }), "1 x aten::where");
  EXPECT_EQ(waits([&] { device::synchronize(0); }), "1 x synchronisation");
  {
    const Watch outer;
    {
      const Watch watch(Rule::no_wait);
      EXPECT_ANY_THROW(x.cpu());
      at::Tensor y = x.clone().requires_grad_(true);
      y.register_hook([](const at::Tensor& g) { g.sum().item<float>(); });  // on the device's thread
      EXPECT_ANY_THROW(y.square().sum().backward());
      EXPECT_EQ(watch.waits(), 0);
    }
    EXPECT_EQ(outer.waits(), 0);
  }
}

TEST(FakeGpu, AGraphIsRecordedAndReplayed) {
  int runs = 0;
  device::CudaGraph graph([&](const device::CudaGraph::Tensors& in) -> device::CudaGraph::Tensors {
    ++runs;
    return {in[0] * 2};
  });
  const at::Tensor one = graph({at::ones({3}, on(0))})[0], two = graph({at::full({3}, 2, on(0))})[0];
  EXPECT_EQ(one.sum().item<float>(), 6);
  EXPECT_EQ(two.sum().item<float>(), 12);
  for (const bool item : {true, false}) {
    device::CudaGraph waiting([&](const device::CudaGraph::Tensors& in) -> device::CudaGraph::Tensors {
      return {item ? in[0] * in[0].sum().item<float>() : in[0] * at::tensor({2.0F}, in[0].options())};
    });
    EXPECT_THROW(waiting({one}), Error);
  }
}

TEST(FakeGpu, ACopyToTheHostIsMadeWhenItIsWaitedFor) {
  at::Tensor x = at::ones({3}, on(0));
  const auto copy = device::copy_to_host(x);
  x.add_(1);
  EXPECT_EQ(copy().sum().item<float>(), 6);
}

TEST(FakeGpu, AThreadWithoutADeviceOpensTheFirst) {
  EXPECT_TRUE(has_context(0) && has_context(1));
  EXPECT_EQ(current_device(), 0);
  device::set_device(1);
  std::thread([] { EXPECT_EQ(current_device(), 0); }).join();
  device::set_device(0);
}

}  // namespace
}  // namespace ddls::fake_gpu
