#include <ATen/ATen.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
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

// One per thread, kept from image to image: making it takes longer than decoding a small one.
Decompressor& decompressor() {
  thread_local Decompressor handle;
  if (!handle) handle.reset(tjInitDecompress());
  ensure(handle != nullptr, "libturbojpeg does not start");
  return handle;
}

struct JpegHeader {
  int width = 0, height = 0, subsampling = 0, colour_space = 0;
};

[[noreturn]] void damaged(Decompressor& handle, const std::string& name) {
  const std::string reason = tjGetErrorStr2(handle.get());
  handle.reset();  // it may have stopped in the middle of a header, and would go on there
  fail(Exit::data, "'{}': damaged or unsupported JPEG: {}", name, reason);
}

// Cameras and converters leave such bytes; every pixel is there.
bool harmless(const std::string& warning) {
  return warning.find("extraneous bytes before marker 0xd9") != std::string::npos;
}

// The smallest scale of the cosine transform that leaves the short side at least as long. Only the powers of two:
// libjpeg-turbo has vector code for those, and the steps between them are slower than the next power.
tjscalingfactor scale_for(const JpegHeader& header, int64_t at_least) {
  const int side = std::min(header.width, header.height);
  for (const int denominator : std::array{8, 4, 2}) {
    const tjscalingfactor scale{1, denominator};
    if (at_least > 0 && TJSCALED(side, scale) >= at_least) return scale;
  }
  return {1, 1};
}

void decompress(Decompressor& handle, std::string_view bytes, int format, at::Tensor& pixels, const std::string& name) {
  const auto run = [&](int flags) {
    return tjDecompress2(handle.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                         static_cast<unsigned long>(bytes.size()), pixels.mutable_data_ptr<uint8_t>(),
                         static_cast<int>(pixels.size(1)), 0, static_cast<int>(pixels.size(0)), format, flags) == 0;
  };
  if (run(TJFLAG_STOPONWARNING)) return;
  if (!harmless(tjGetErrorStr2(handle.get()))) damaged(handle, name);
  if (!run(0) && (tjGetErrorCode(handle.get()) != TJERR_WARNING || !harmless(tjGetErrorStr2(handle.get())))) {
    damaged(handle, name);
  }
}

// CMYK -> RGB. Inks are stored inverted (255 = none), as every common program writes them: R = C K / 255.
at::Tensor without_inks(const at::Tensor& pixels) {
  at::Tensor result = at::empty({pixels.size(0), pixels.size(1), 3}, at::kByte);
  const uint8_t* in = pixels.const_data_ptr<uint8_t>();
  uint8_t* out = result.mutable_data_ptr<uint8_t>();
  const int64_t count = pixels.size(0) * pixels.size(1);
  for (int64_t p = 0; p < count; ++p, in += 4) {
    for (int c = 0; c < 3; ++c) *out++ = static_cast<uint8_t>((in[c] * in[3] + 127) / 255);
  }
  return result;
}

}  // namespace

bool looks_like_jpeg(std::string_view bytes) { return bytes.starts_with("\xFF\xD8\xFF"); }

at::Tensor decode_jpeg(std::string_view bytes, const std::string& name, int64_t at_least) {
  Decompressor& handle = decompressor();
  JpegHeader header;
  if (tjDecompressHeader3(handle.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                          static_cast<unsigned long>(bytes.size()), &header.width, &header.height, &header.subsampling,
                          &header.colour_space) != 0) {
    damaged(handle, name);
  }
  check_image_size(static_cast<uint64_t>(header.width), static_cast<uint64_t>(header.height), name);
  const bool grey = header.colour_space == TJCS_GRAY;
  const bool cmyk = header.colour_space == TJCS_CMYK || header.colour_space == TJCS_YCCK;
  const int format = grey ? TJPF_GRAY : cmyk ? TJPF_CMYK : TJPF_RGB;
  const tjscalingfactor scale = scale_for(header, at_least);
  at::Tensor pixels =
      at::empty({TJSCALED(header.height, scale), TJSCALED(header.width, scale), tjPixelSize[format]}, at::kByte);
  decompress(handle, bytes, format, pixels, name);
  if (!cmyk) return pixels;
  return without_inks(pixels);
}

}  // namespace ddls
