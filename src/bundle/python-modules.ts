/**
 * Debian packages whose name is not python3-<module>, by top-level module (lists of files of Debian trixie,
 * packages.debian.org).
 */
const PACKAGES: Readonly<Record<string, string>> = {
  _cffi_backend: "python3-cffi-backend",
  attr: "python3-attr",
  attrs: "python3-attr",
  bs4: "python3-bs4",
  can: "python3-can",
  cv2: "python3-opencv",
  dateutil: "python3-dateutil",
  gi: "python3-gi",
  git: "python3-git",
  gpiod: "python3-libgpiod",
  gps: "python3-gps",
  google: "python3-protobuf",
  grpc: "python3-grpcio",
  mpl_toolkits: "python3-matplotlib",
  MySQLdb: "python3-mysqldb",
  nacl: "python3-nacl",
  OpenSSL: "python3-openssl",
  paho: "python3-paho-mqtt",
  PIL: "python3-pil",
  pylab: "python3-matplotlib",
  RPi: "python3-rpi-lgpio",
  ruamel: "python3-ruamel.yaml",
  skimage: "python3-skimage",
  tkinter: "python3-tk",
  turtle: "python3-tk",
  usb: "python3-usb",
  websocket: "python3-websocket",
  Xlib: "python3-xlib",
  zmq: "python3-zmq",
};

/** Distributions on PyPI whose name is not that of their module, by module (each project's own installation page). */
const DISTRIBUTIONS: Readonly<Record<string, readonly string[]>> = {
  attr: ["attrs"],
  bs4: ["beautifulsoup4"],
  can: ["python-can"],
  cv2: ["opencv-python", "opencv-python-headless", "opencv-contrib-python"],
  dateutil: ["python-dateutil"],
  git: ["gitpython"],
  google: ["protobuf"],
  grpc: ["grpcio"],
  OpenSSL: ["pyopenssl"],
  paho: ["paho-mqtt"],
  PIL: ["pillow"],
  RPi: ["rpi-gpio", "rpi-lgpio"],
  serial: ["pyserial"],
  skimage: ["scikit-image"],
  sklearn: ["scikit-learn"],
  usb: ["pyusb"],
  websocket: ["websocket-client"],
  yaml: ["pyyaml"],
  zmq: ["pyzmq"],
};

/** Modules that left Python's standard library (PEP 594, PEP 632 and "What's New"), with the version without them. */
const REMOVED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(["asynchat", "asyncore", "distutils", "imp", "smtpd"].map((name) => [name, "3.12"])),
  ...Object.fromEntries(
    (
      "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr spwd sunau " +
      "telnetlib uu xdrlib"
    )
      .split(" ")
      .map((name) => [name, "3.13"]),
  ),
};

/** The Debian package that most likely has a Python module: by Debian's Python policy it is python3-<module>. */
export function debianPackage(module: string): string {
  return PACKAGES[module] ?? `python3-${module.toLowerCase().replaceAll("_", "-")}`;
}

/** Names, normalised as in PEP 503, under which PyPI may have a module. */
export function distributions(module: string): readonly string[] {
  return [...(DISTRIBUTIONS[module] ?? []), normalizeName(module)];
}

/** The version of Python whose standard library is without the module, or undefined when it never was there, or still is. */
export function removedIn(module: string): string | undefined {
  return REMOVED[module];
}

/** A distribution's name as PEP 503 compares it. */
export function normalizeName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}
