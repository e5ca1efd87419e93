// What src/device offers, on fake GPUs.
#include "device/cuda_bridge.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "device/cuda_graph.hpp"
#include "device/device_of.hpp"
#include "device/host_copy.hpp"
#include "device/wait_alarm.hpp"
#include "fake_gpu/aliases.hpp"
#include "fake_gpu/fake_gpu.hpp"

namespace ddls::device {

using fake_gpu::Rule;
using fake_gpu::Watch;

c10::Device device_of(int number) { return {fake_gpu::kind, static_cast<c10::DeviceIndex>(number)}; }

Devices devices() { return {fake_gpu::device_count(), fake_gpu::device_count() > 0 ? "" : "DDLS_FAKE_GPUS=0", false}; }

std::string device_name(int) { return "Fake GPU"; }

std::string device_pci_bus_id(int device) { return fmt::format("FFFF:{:02X}:00.0", device); }

int compute_capability(int) { return 0; }

std::string prepare_kernels(int) { return "fake kernels"; }
std::string try_kernels() { return "fake kernels"; }

void set_device(int device) { fake_gpu::set_current_device(device); }

void synchronize(int) {
  fake_gpu::host_touches("waiting for the device");
  fake_gpu::host_waits("synchronisation");
}

bool built_with_cuda() { return true; }

void* current_stream(int device) {
  ensure(device == fake_gpu::current_device(), "noise for device {} by a thread whose device is {}", device,
         fake_gpu::current_device());
  return fake_gpu::current_stream();
}

namespace {

template <typename Law, typename Use>
void for_noise(const NoiseRows& rows, Law law, const Use& use) {
  fake_gpu::use_context(fake_gpu::current_device());
  for (int64_t row = 0; row < rows.ids.size(); ++row) {
    for (int64_t column = 0; column < rows.dim; column += 4) {
      float values[4];
      law(noise_words(rows.seed, rows.stream, rows.ids.begin + row, rows.step, column / 4), values);
      for (int64_t i = 0; i < 4 && column + i < rows.dim; ++i) use(row * rows.dim + column + i, values[i]);
    }
  }
}

const float* data(const float* pointer) { return reinterpret_cast<const float*>(fake_gpu::host_address(pointer)); }
float* data(float* pointer) { return reinterpret_cast<float*>(fake_gpu::host_address(pointer)); }

}  // namespace

void fill_uniform(const NoiseRows& rows, float* out, void*) {
  for_noise(rows, Uniforms{}, [to = data(out)](int64_t at, float noise) { to[at] = noise; });
}

void fill_normal(const NoiseRows& rows, float* out, void*) {
  for_noise(rows, Normals{}, [to = data(out)](int64_t at, float noise) { to[at] = noise; });
}

void langevin_move(const NoiseRows& rows, const float* z, const float* slope, float half_step, float noise_scale,
                   float* out, void*) {
  for_noise(rows, Normals{}, [=, from = data(z), along = data(slope), to = data(out)](int64_t at, float noise) {
    to[at] = from[at] - (from[at] - along[at]) * half_step + noise * noise_scale;
  });
}

// At the last moment: whoever changed the source meanwhile gets the change.
std::function<at::Tensor()> copy_to_host(const at::Tensor& source) {
  return [source] { return fake_gpu::alias_of(source).clone(); };
}

WaitAlarm::WaitAlarm() : state_(std::make_shared<Watch>(Rule::no_wait)) {}
WaitAlarm::~WaitAlarm() = default;

struct CudaGraph::Recording {
  Tensors inputs, outputs;
};
CudaGraph::CudaGraph(Function function) : function_(std::move(function)) {}
CudaGraph::~CudaGraph() = default;

std::unique_ptr<CudaGraph::Recording> CudaGraph::record(const Tensors& inputs) {
  auto fresh = std::make_unique<Recording>();
  for (const at::Tensor& input : inputs) fresh->inputs.push_back(input.clone(at::MemoryFormat::Contiguous));
  for (int i = 0; i < 3; ++i) function_(fresh->inputs);
  try {
    const Watch watch(Rule::capture);
    fresh->outputs = function_(fresh->inputs);
  } catch (const std::exception& error) {
    fail(Exit::config, "a CUDA graph of these networks cannot be recorded (set sample.cuda_graph: false): {}",
         error.what());
  }
  return fresh;
}

// A replay is one more run, on the memory of the recording.
CudaGraph::Tensors CudaGraph::operator()(const Tensors& inputs) {
  std::vector<int64_t> sizes;
  for (const at::Tensor& input : inputs) sizes.insert(sizes.end(), input.sizes().begin(), input.sizes().end());
  std::unique_ptr<Recording>& recording = recordings_[sizes];
  if (!recording) recording = record(inputs);
  for (size_t i = 0; i < inputs.size(); ++i) recording->inputs[i].copy_(inputs[i]);
  Tensors results;
  {
    const Watch watch(Rule::capture);
    const Tensors outputs = function_(recording->inputs);
    for (size_t i = 0; i < outputs.size(); ++i) recording->outputs[i].copy_(outputs[i]);
  }
  for (const at::Tensor& output : recording->outputs) results.push_back(output.clone());
  return results;
}

}  // namespace ddls::device
