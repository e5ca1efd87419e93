#include "tensor/npy_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <set>

#include "base/error.hpp"

namespace ddls::tensor {
namespace {

constexpr std::string_view magic{"\x93NUMPY", 6};
constexpr size_t most_dimensions = 64;      // numpy's limit
constexpr size_t longest_header = 1 << 20;  // numpy's own are below 1 KiB

struct NamedType {
  std::string_view text;  // without the byte order
  at::ScalarType stored, dtype;
  bool unsigned_words = false;
};
constexpr std::array<NamedType, 12> types{{{"u1", at::kByte, at::kByte},
                                           {"i4", at::kInt, at::kInt},
                                           {"i8", at::kLong, at::kLong},
                                           {"f4", at::kFloat, at::kFloat},
                                           {"f8", at::kDouble, at::kDouble},
                                           {"f2", at::kHalf, at::kHalf},
                                           {"i1", at::kChar, at::kChar},
                                           {"i2", at::kShort, at::kShort},
                                           {"b1", at::kByte, at::kByte},
                                           {"u2", at::kShort, at::kInt, true},
                                           {"u4", at::kInt, at::kLong, true},
                                           {"u8", at::kLong, at::kLong, true}}};

// A reader for the dict literal: just the Python that numpy writes.
class Literal {
 public:
  Literal(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  bool take(char c) {
    skip_space();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) broken();
  }
  std::string_view quoted() {
    take('u');  // u'...' of Python 2
    const char quote = take('\'') ? '\'' : '"';
    if (quote == '"') expect('"');
    const size_t end = text_.find(quote, position_);
    if (end == std::string_view::npos) broken();
    const std::string_view word = text_.substr(position_, end - position_);
    position_ = end + 1;
    return word;
  }
  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(position_).starts_with(word)) {
        position_ += word.size();
        return word == "True";
      }
    }
    broken();
  }
  int64_t number() {
    skip_space();
    int64_t value = 0;
    const char* const begin = text_.data() + position_;
    const auto result = std::from_chars(begin, text_.data() + text_.size(), value);
    if (result.ec != std::errc() || value < 0) broken();
    position_ += static_cast<size_t>(result.ptr - begin);
    if (position_ < text_.size() && text_[position_] == 'L') ++position_;  // a long integer of Python 2
    return value;
  }
  void end() {
    skip_space();
    if (position_ != text_.size()) broken();
  }
  [[noreturn]] void broken() const { fail(Exit::data, "{}: damaged .npy header near character {}", where_, position_); }

 private:
  void skip_space() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
  }
  std::string_view text_;
  const std::string& where_;
  size_t position_ = 0;
};

void read_type(NpyHeader& header, std::string_view text, const std::string& where) {
  const std::string_view order = text.substr(0, 1), type = text.substr(std::min<size_t>(1, text.size()));
  const auto found = std::ranges::find(types, type, &NamedType::text);
  if (found == types.end() || (order != "<" && order != ">" && order != "|" && order != "="))
    fail(Exit::data,
         "{}: its values are '{}', which are no numbers that can be used; save them as uint8, int64 or float32", where,
         text);
  header.dtype = found->dtype;
  header.stored = found->stored;
  header.unsigned_words = found->unsigned_words;
  header.big_endian = order == ">";
}

std::vector<int64_t> shape_of(Literal& literal) {
  std::vector<int64_t> sizes;
  literal.expect('(');
  while (!literal.take(')')) {
    sizes.push_back(literal.number());
    if (!literal.take(',')) {
      literal.expect(')');
      break;
    }
  }
  return sizes;
}

void check_size(const NpyHeader& header, const std::string& where) {
  int64_t bytes = static_cast<int64_t>(std::max(c10::elementSize(header.dtype), c10::elementSize(header.stored)));
  bool fits = true;
  for (const int64_t n : header.sizes) {
    // An empty array claims no bytes, but torch multiplies its other sizes for the strides.
    fits = fits && !__builtin_mul_overflow(bytes, std::max<int64_t>(n, 1), &bytes);
  }
  if (header.sizes.size() > most_dimensions)
    fail(Exit::data, "{}: an array of {} dimensions", where, header.sizes.size());
  if (!fits) fail(Exit::data, "{}: the shape in the .npy header is impossibly large", where);
}

}  // namespace

int64_t NpyHeader::bytes() const {
  int64_t total = static_cast<int64_t>(c10::elementSize(stored));
  for (const int64_t n : sizes) {
    if (n == 0) return 0;
  }
  for (const int64_t n : sizes) total *= n;
  return total;
}

std::string npy_header_text(const NpyHeader& header) {
  const auto type = std::ranges::find(types, header.dtype, &NamedType::dtype);
  ensure(type != types.end(), "dtype {} cannot be written as .npy", c10::toString(header.dtype));
  const std::string descr = fmt::format("{}{}", c10::elementSize(header.dtype) == 1 ? "|" : "<", type->text);
  std::string shape;
  for (const int64_t n : header.sizes) shape += fmt::format("{}{}", shape.empty() ? "" : ", ", n);
  if (header.sizes.size() == 1) shape += ",";
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape);
  const size_t start = magic.size() + 4;
  dict.append(63 - (start + dict.size()) % 64, ' ');
  dict += '\n';
  ensure(dict.size() <= std::numeric_limits<uint16_t>::max(), "a .npy header of {} bytes", dict.size());
  std::string text(magic);
  text += '\x01';
  text += '\0';
  text += static_cast<char>(dict.size() & 0xFF);
  text += static_cast<char>(dict.size() >> 8);
  return text + dict;
}

size_t npy_header_bytes(std::string_view prefix, const std::string& where) {
  if (!prefix.starts_with(magic)) fail(Exit::data, "{}: this is not a .npy array (wrong magic)", where);
  if (prefix.size() < npy_prefix_bytes) fail(Exit::data, "{}: truncated .npy header", where);
  const int version = static_cast<unsigned char>(prefix[6]);
  if (version < 1 || version > 3) fail(Exit::data, "{}: .npy version {} is not supported", where, version);
  const size_t length_bytes = version == 1 ? 2 : 4;
  size_t length = 0;
  for (size_t i = 0; i < length_bytes; ++i) length |= size_t{static_cast<unsigned char>(prefix[8 + i])} << (8 * i);
  if (length > longest_header) fail(Exit::data, "{}: damaged .npy header ({} bytes long)", where, length);
  return std::max(8 + length_bytes + length, npy_prefix_bytes);
}

NpyHeader parse_npy_header(std::string_view header, const std::string& where) {
  const size_t start = header[6] == 1 ? 10 : 12;
  Literal literal(header.substr(start), where);
  NpyHeader result;
  std::set<std::string_view> seen;
  literal.expect('{');
  while (!literal.take('}')) {
    const std::string_view key = literal.quoted();
    if (!seen.insert(key).second) literal.broken();
    literal.expect(':');
    if (key == "descr") {
      if (literal.take('[')) fail(Exit::data, "{}: it holds records with fields, not numbers", where);
      read_type(result, literal.quoted(), where);
    } else if (key == "fortran_order") {
      result.fortran_order = literal.boolean();
    } else if (key == "shape") {
      result.sizes = shape_of(literal);
    } else {
      literal.broken();
    }
    if (!literal.take(',')) {
      literal.expect('}');
      break;
    }
  }
  literal.end();
  if (seen.size() != 3) literal.broken();
  check_size(result, where);
  return result;
}

}  // namespace ddls::tensor
