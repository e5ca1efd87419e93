#pragma once
// What every ddls.json of a .pt2 archive says alike, and the archive's self-test: its programs, held against what they
// gave where they were written (docs/export.md).
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "tensor/description_reader.hpp"
#include "tensor/pt2_archive.hpp"

namespace ddls::tensor {

struct Pt2Origin {
  std::string device, torch;  // the kind of device that it is made for; the version that wrote it
  double tolerance = 0;       // of the self-test, in shares of the largest value
};

// `format`: what ddls.json must call itself; `perhaps`: what else it may be. Throws Error(data) naming the key.
Pt2Origin origin_of(const DescriptionReader& reader, const std::string& format, const char* perhaps);

// Throws Error(config) where the archive's programs are of another kind of device.
void require_device(const Pt2Origin& origin, const std::string& file, c10::Device device);

// One self-test of an archive. Both functions throw Error(data), which names file and program.
class Pt2Trial {
 public:
  // `inputs`: what it runs on, "latents [3, 16]".
  Pt2Trial(std::string file, const Pt2Origin& origin, std::string inputs);

  std::vector<at::Tensor> run(const Pt2Program& program, const std::vector<at::Tensor>& inputs, size_t outputs) const;
  // `what` the values are, in the plural. `expected` has numbers of any type on any device, which come from `source`.
  // Returns how far they are off, in shares of the largest.
  double compare(const Pt2Program& program, const char* what, const at::Tensor& given, const at::Tensor& expected,
                 const char* source = "as ddls.json says") const;

 private:
  std::string file_, inputs_, versions_;
  double tolerance_;
};

// The gradients [n, ...] that backward passes are tried with, as the exporters do: cos(0.7 j) for the j-th of the
// values that a row of `values` has.
at::Tensor trial_gradients(const at::Tensor& values);

}  // namespace ddls::tensor
