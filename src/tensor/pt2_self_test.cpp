#include "tensor/pt2_self_test.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "device/device_of.hpp"
#include "tensor/foreign_network.hpp"
#include "version.hpp"

namespace ddls::tensor {
namespace {

double share_off(const at::Tensor& given, const at::Tensor& expected) {
  if (expected.numel() == 0) return 0;
  const at::Tensor exact = expected.to(at::kCPU, at::kDouble);
  return (given.to(at::kCPU, at::kDouble) - exact).abs().max().item<double>() /
         std::max(exact.abs().max().item<double>(), 1e-30);
}

}  // namespace

Pt2Origin origin_of(const DescriptionReader& reader, const std::string& format, const char* perhaps) {
  if (reader.field<std::string>("format") != format)
    reader.refuse("format", fmt::format("is not '{}' (is it {}?)", format, perhaps));
  if (reader.field<int64_t>("version") != 1) reader.refuse("version", "is not 1, which this program reads");
  Pt2Origin origin;
  origin.device = reader.field<std::string>("device");
  origin.torch = reader.field<std::string>("torch");
  origin.tolerance = reader.field<double>("tolerance");
  if (!(origin.tolerance > 0 && origin.tolerance <= 1e-2)) reader.refuse("tolerance", "is not between 0 and 0.01");
  return origin;
}

void require_device(const Pt2Origin& origin, const std::string& file, c10::Device device) {
  if (origin.device != device::kind_of(device))
    fail(Exit::config,
         "{}: made for the device '{}', but this rank computes on {}; choose it by --device, or export it anew", file,
         origin.device, device.str());
}

Pt2Trial::Pt2Trial(std::string file, const Pt2Origin& origin, std::string inputs)
    : file_(std::move(file)),
      inputs_(std::move(inputs)),
      versions_(fmt::format("written with torch {}, run with {}", origin.torch, version::torch)),
      tolerance_(origin.tolerance) {}

std::vector<at::Tensor> Pt2Trial::run(const Pt2Program& program, const std::vector<at::Tensor>& inputs,
                                      size_t outputs) const {
  return in_network(file_, fmt::format("self-test: program '{}' fails on {} ({})", program.name(), inputs_, versions_),
                    [&] { return program(inputs, outputs); });
}

double Pt2Trial::compare(const Pt2Program& program, const char* what, const at::Tensor& given,
                         const at::Tensor& expected, const char* source) const {
  if (given.sizes() != expected.sizes())
    fail(Exit::data, "{}: self-test: program '{}' gives {} [{}], not [{}] {}", file_, program.name(), what,
         fmt::join(given.sizes(), ", "), fmt::join(expected.sizes(), ", "), source);
  const double error = share_off(given, expected);
  if (!(error <= tolerance_))
    fail(Exit::data,
         "{}: self-test: the {} of program '{}' are off by {:.2g} of the largest, allowed {:.2g} ({}); a damaged or "
         "changed archive, or one that this version of LibTorch runs otherwise: export it anew",
         file_, what, program.name(), error, tolerance_, versions_);
  return error;
}

at::Tensor trial_gradients(const at::Tensor& values) {
  const at::Tensor place = at::arange(values[0].numel(), at::kDouble);
  return (place * 0.7).cos().to(values.options()).view(values[0].sizes()).expand_as(values);
}

}  // namespace ddls::tensor
