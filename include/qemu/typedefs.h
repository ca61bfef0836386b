/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of structures that many headers only point to; their insides are where QEMU has them. */
#ifndef QEMU_TYPEDEFS_H
#define QEMU_TYPEDEFS_H

typedef struct AddressSpace AddressSpace;
typedef struct AioContext AioContext;
typedef struct BdrvDirtyBitmap BdrvDirtyBitmap;
typedef struct BlockBackend BlockBackend;
typedef struct BlockBackendRootState BlockBackendRootState;
typedef struct BlockDriverState BlockDriverState;
typedef struct Chardev Chardev;
typedef struct CompatProperty CompatProperty;
typedef struct DeviceState DeviceState;
typedef struct Error Error;
typedef struct EventNotifier EventNotifier;
typedef struct IOThread IOThread;
typedef struct InterfaceClass InterfaceClass;
typedef struct InterfaceInfo InterfaceInfo;
typedef struct MemReentrancyGuard MemReentrancyGuard;
typedef struct MemoryRegion MemoryRegion;
typedef struct Monitor Monitor;
typedef struct MonitorDef MonitorDef;
typedef struct NotifierList NotifierList;
typedef struct NotifierWithReturnList NotifierWithReturnList;
typedef struct Object Object;
typedef struct ObjectClass ObjectClass;
typedef struct PCIDevice PCIDevice;
typedef struct Property Property;
typedef struct QBool QBool;
typedef struct QDict QDict;
typedef struct QEMUBH QEMUBH;
typedef struct QEMUFile QEMUFile;
typedef struct QEMUIOVector QEMUIOVector;
typedef struct QEMUSGList QEMUSGList;
typedef struct QEMUTimer QEMUTimer;
typedef struct QEMUTimerListGroup QEMUTimerListGroup;
typedef struct QIOChannel QIOChannel;
typedef struct QList QList;
typedef struct QNull QNull;
typedef struct QNum QNum;
typedef struct QObject QObject;
typedef struct QString QString;
typedef struct QemuLockable QemuLockable;
typedef struct QemuMutex QemuMutex;
typedef struct QemuOpt QemuOpt;
typedef struct QemuOpts QemuOpts;
typedef struct QemuOptsList QemuOptsList;
typedef struct Visitor Visitor;
typedef struct VMChangeStateEntry VMChangeStateEntry;

typedef void QEMUBHFunc(void *opaque);

#endif
