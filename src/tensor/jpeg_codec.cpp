#include <ATen/ATen.h>
#include <turbojpeg.h>

#include <memory>

#include "base/error.hpp"
#include "tensor/image_codecs.hpp"
#include "tensor/image_limits.hpp"

namespace ddls {
namespace {

struct Destroy {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Decompressor = std::unique_ptr<void, Destroy>;

struct JpegHeader {
  int width = 0, height = 0, subsampling = 0, colour_space = 0;
};

[[noreturn]] void damaged(void* handle, const std::string& name) {
  fail(Exit::data, "'{}': damaged or unsupported JPEG: {}", name, tjGetErrorStr2(handle));
}

// Cameras and converters leave such bytes; every pixel is there.
bool harmless(const std::string& warning) {
  return warning.find("extraneous bytes before marker 0xd9") != std::string::npos;
}

void decompress(void* handle, std::string_view bytes, const JpegHeader& header, int format,
                at::Tensor& pixels, const std::string& name) {
  const auto run = [&](int flags) {
    return tjDecompress2(handle, reinterpret_cast<const unsigned char*>(bytes.data()),
                         static_cast<unsigned long>(bytes.size()), pixels.mutable_data_ptr<uint8_t>(),
                         header.width, 0, header.height, format, flags) == 0;
  };
  if (run(TJFLAG_STOPONWARNING)) return;
  if (!harmless(tjGetErrorStr2(handle))) damaged(handle, name);
  if (!run(0) && (tjGetErrorCode(handle) != TJERR_WARNING || !harmless(tjGetErrorStr2(handle)))) {
    damaged(handle, name);
  }
}

}  // namespace

bool looks_like_jpeg(std::string_view bytes) {
  return bytes.starts_with("\xFF\xD8\xFF");
}

at::Tensor decode_jpeg(std::string_view bytes, const std::string& name) {
  const Decompressor handle(tjInitDecompress());
  ensure(handle != nullptr, "libturbojpeg does not start");
  JpegHeader header;
  if (tjDecompressHeader3(handle.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                          static_cast<unsigned long>(bytes.size()), &header.width, &header.height,
                          &header.subsampling, &header.colour_space) != 0) {
    damaged(handle.get(), name);
  }
  check_image_size(static_cast<uint64_t>(header.width), static_cast<uint64_t>(header.height), name);
  const bool grey = header.colour_space == TJCS_GRAY;
  const bool cmyk = header.colour_space == TJCS_CMYK || header.colour_space == TJCS_YCCK;
  const int format = grey ? TJPF_GRAY : cmyk ? TJPF_CMYK : TJPF_RGB;
  at::Tensor pixels = at::empty({header.height, header.width, tjPixelSize[format]}, at::kByte);
  decompress(handle.get(), bytes, header, format, pixels, name);
  if (!cmyk) return pixels;
  // Inks are stored inverted (255 = none), as every common program writes them: R = C K / 255.
  const at::Tensor inks = pixels.to(at::kInt);
  return (inks.narrow(2, 0, 3) * inks.narrow(2, 3, 1) + 127).div(255, "floor").to(at::kByte);
}

}  // namespace ddls
